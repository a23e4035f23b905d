/** What has to add up between the server's counters and the books, when nobody but the witnesses is there. */
import type { Ledger } from './ledger.js';
import type { Counts } from './soaked-server.js';
import type { Witnesses } from './witnesses.js';
import type { World } from './world.js';

export interface Identity {
  readonly name: string;
  /** Equal to `right`, or between its two numbers. */
  readonly left: number;
  readonly right: number | readonly [least: number, most: number | null];
}

export interface Books {
  readonly world: World;
  readonly witnesses: Witnesses;
  /** SENDs of the witness to where nobody is. */
  readonly nowhere: number;
  readonly flooded: number;
  readonly witnessSubscriptions: number;
}

export function identitiesOf(
  counts: Counts,
  { world, witnesses, nowhere, flooded, witnessSubscriptions }: Books,
): Identity[] {
  const { stats, replied, sessions, subscriptions, users } = counts;
  const { ledger, totals, opened } = world;
  const lines = witnesses.lines;
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  const closed = sum(Object.values(stats.closed));
  const givenUp = sum(Object.values(stats.givenUp));
  const confirmed = totals.confirmed + sum(lines.map((line) => line.confirmed));
  const written = totals.written + sum(lines.map((line) => line.written));
  const received = totals.received + sum(lines.map((line) => line.received));
  const openings = sum(Object.values(opened)) + lines.length;
  return [
    {
      name: 'connections: all that came are open, closed or refused',
      left: stats.connections.total,
      right: stats.connections.current + closed + stats.connections.refused,
    },
    { name: 'connections: current is what the registry holds', left: stats.connections.current, right: sessions },
    {
      name: 'connections: by transport add up',
      left: sum(Object.values(stats.connections.byTransport)),
      right: stats.connections.current,
    },
    {
      name: 'CONNECTED: those that clients got, at least, and no more than CONNECTs',
      left: stats.stomp.connected,
      right: [totals.connected + lines.length, Math.min(stats.stomp.connect, openings)],
    },
    { name: 'subscriptions: the counter is what sessions hold', left: stats.subscriptions, right: subscriptions },
    { name: 'subscriptions: only the witnesses’', left: stats.subscriptions, right: witnessSubscriptions },
    { name: 'users: only the witnesses', left: users, right: 4 },
    {
      name: 'messages taken on: those of clients, and answers of handlers',
      left: stats.messagesIn,
      right: arrivedOf(ledger) + witnesses.answered + nowhere + replied,
    },
    {
      name: 'frames in: at least what was answered, at most what was written',
      left: stats.framesIn,
      right: [confirmed, written],
    },
    { name: 'frames out: at least what arrived', left: stats.framesOut, right: [received, null] },
    { name: 'dead letters: given up is dead-lettered', left: givenUp, right: stats.deadLettered },
    { name: 'dead letters: dead-lettered is what was fetched', left: stats.deadLettered, right: ledger.letters },
    {
      name: 'redelivered: at least what clients were told',
      left: stats.redelivered,
      right: [ledger.redelivered, null],
    },
    {
      name: 'dropped: at least what went nowhere',
      left: stats.messagesDropped,
      right: [nowhere, nowhere + replied + witnesses.answered],
    },
    { name: 'inbox: kept is delivered', left: stats.inbox.kept, right: stats.inbox.delivered },
    {
      name: 'inbox: nothing waits, expired or was refused',
      left: stats.inbox.messages + stats.inbox.expired + stats.inbox.overflow + stats.inbox.refused,
      right: 0,
    },
    { name: 'temporary queues: none', left: stats.temporaryQueues, right: 0 },
    { name: 'floods: each was refused once', left: stats.rateLimited, right: flooded },
  ];
}

/** SENDs that the server had. */
function arrivedOf({ arrived }: Ledger): number {
  return Object.values(arrived).reduce((total, count) => total + count, 0);
}

export function holds({ left, right }: Identity): boolean {
  if (typeof right === 'number') return left === right;
  const [least, most] = right;
  return left >= least && (most === null || left <= most);
}

/** In words. */
export function rightOf({ right }: Identity): string {
  if (typeof right === 'number') return right.toLocaleString('en');
  const [least, most] = right;
  const atLeast = least.toLocaleString('en');
  return most === null ? `at least ${atLeast}` : `${atLeast} to ${most.toLocaleString('en')}`;
}
