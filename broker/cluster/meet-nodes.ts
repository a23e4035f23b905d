/**
 * What nodes share by a store (queues, inboxes, durable subscriptions, client-ids) is told of what the store says, and of
 * nodes that come and go. One place, as it decides in which order they look again.
 */
import type { DurableSubscriptions } from '../destinations/durable-subscriptions.js';
import type { Inbox } from '../inbox/inbox.js';
import type { ClusterMembers } from '../ports.js';
import type { Journal } from '../storage/journal.js';
import type { SharedClientIds } from './client-ids.js';
import type { SharedQueues } from './shared-queues.js';

/** What nodes share. */
export interface Sharing {
  readonly queues: SharedQueues;
  readonly durables: DurableSubscriptions;
  readonly inbox: Inbox;
  readonly clientIds: SharedClientIds | null;
}

/** @param members null: nobody says which other nodes there are */
export function meetNodes(journal: Journal, sharing: Sharing, members: ClusterMembers | null): void {
  const { queues, durables, inbox, clientIds } = sharing;
  journal.listen({
    onWake: (stream) => {
      queues.onWake(stream);
    },
    onInbox: (user) => {
      inbox.shared?.onInbox(user);
    },
    onUserMessage: (message) => {
      inbox.shared?.onUserMessage(message);
    },
    onDisplaced: (sessionId) => {
      clientIds?.onDisplaced(sessionId);
    },
    onAnnounced: (name) => {
      durables.onAnnounced(name);
    },
    onReachable: () => {
      clientIds?.claimAgain();
      durables.lookAgain();
      queues.lookAgain();
      inbox.lookAgain();
    },
  });
  members?.listen({
    onJoined: () => {
      // Who was given up was not waited for; at its start a node reads the store behind this.
      if (journal.isOpen) durables.lookAgain();
      queues.onJoined();
      inbox.shared?.onJoined();
      clientIds?.onNodeGone(null);
      clientIds?.claimAgain();
    },
    onGivenUp: () => {
      queues.onGivenUp();
      inbox.shared?.onGivenUp();
    },
    onNodeGone: (incarnation) => {
      queues.onNodeGone(incarnation);
      inbox.shared?.onNodeGone(incarnation);
      clientIds?.onNodeGone(incarnation);
    },
  });
}
