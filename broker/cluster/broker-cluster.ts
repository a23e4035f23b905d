/**
 * What operators see and do over all nodes of a cluster: behind `Broker.cluster`, there on a node of its own too. Every
 * answer says what each node said, what that is together, and which nodes did not answer.
 */
import type { MessageHeaders } from '../application/messaging-template.js';
import { encodePayload } from '../application/payload.js';
import { BrokerError } from '../errors.js';
import type { BrokerOperations } from '../operations/broker-operations.js';
import type { ClusterMembers } from '../ports.js';
import type { AskOptions, NodeAnswers, NodeQuestions } from './node-questions.js';
import {
  type ClusterSession,
  type ClusterSubscription,
  type ClusterUser,
  countNames,
  isMeant,
  mergeSessions,
  mergeUsers,
  packNames,
  type SessionFilter,
  type SessionPage,
  sumOf,
  type UserPage,
  viewOf,
} from './node-views.js';
import { firstBehind, type PageRequest } from './page.js';

/** @typeParam S what `Broker.stats` returns */
export interface BrokerClusterParts<S> {
  readonly questions: NodeQuestions;
  readonly operations: BrokerOperations;
  /** Null: this node alone. */
  readonly members: ClusterMembers | null;
  readonly nodeId: string;
  readonly stats: () => S;
  /** What several nodes say of theirs, this one first. */
  readonly mergeStats: (all: readonly S[]) => S;
  readonly health: () => { readonly isOk: boolean };
}

export interface ClusterAnswer<T, N = T> extends NodeAnswers<N> {
  /** What the nodes that answered say together. */
  readonly merged: T;
}

export interface NodeInfo {
  readonly nodeId: string;
  /** Of this run: `nodeId/` and more; null without other nodes. */
  readonly incarnation: string | null;
  readonly isOk: boolean;
  /** Whether new connections are let in. */
  readonly isAccepting: boolean;
  readonly sessions: number;
  readonly users: number;
  readonly subscriptions: number;
}

export interface PageOptions extends AskOptions {
  /** 1 to 1,000; default: 100. */
  readonly limit?: number | undefined;
  /** `next` of the page before. */
  readonly after?: string | undefined;
}

export interface SubscriptionFilter extends SessionFilter {
  /** As the client wrote it. */
  readonly destination: string;
  /** Most that each node names: 1 to 1,000; default: 100. */
  readonly limit?: number | undefined;
}

export interface EndOptions extends AskOptions {
  /** Told to the client in an ERROR frame, `code:session-revoked`; without it the connection just closes. */
  readonly reason?: string | undefined;
}

/** At a time: more would be one large message. */
const MAX_LIMIT = 1_000;
const DEFAULT_LIMIT = 100;

interface BroadcastArgs {
  readonly destination: string;
  readonly headers: MessageHeaders;
  readonly contentType: string;
  /** Base64. */
  readonly body: string;
}

export class BrokerCluster<S> {
  readonly #parts: BrokerClusterParts<S>;

  constructor(parts: BrokerClusterParts<S>) {
    this.#parts = parts;
    this.#answerQuestions();
    this.#answerOrders();
  }

  /** Of this node: as the options say, or random. */
  get nodeId(): string {
    return this.#parts.nodeId;
  }

  // ——— What is there ———

  /** The nodes that answer. */
  nodes(options?: AskOptions): Promise<ClusterAnswer<readonly NodeInfo[], NodeInfo>> {
    return this.#ask<NodeInfo, readonly NodeInfo[]>('info', null, options, (infos) => infos);
  }

  /** As `Broker.stats` of each; together: every number added up, but for what all nodes keep together. */
  stats(options?: AskOptions): Promise<ClusterAnswer<S>> {
    return this.#ask<S, S>('stats', null, options, this.#parts.mergeStats);
  }

  /** Users with at least one session on any node, each counted once. Costs each node some 20 ms for 100,000 users. */
  async countUsers(options?: AskOptions): Promise<ClusterAnswer<number>> {
    const { merged, nodes, missing } = await this.#ask<string, number>('user-names', null, options, countNames);
    const counts = nodes.map(({ nodeId, answer }) => ({ nodeId, answer: countNames([answer]) }));
    return { merged, nodes: counts, missing };
  }

  /** A user with all its sessions; null when there is none. */
  user(name: string, options?: AskOptions): Promise<ClusterAnswer<ClusterUser | null, readonly ClusterUser[]>> {
    return this.#ask('user', { name }, options, (all: readonly (readonly ClusterUser[])[]) => {
      return mergeUsers(all, { limit: 1, after: '' }).users[0] ?? null;
    });
  }

  /** By name, a page at a time. @throws BrokerError `invalid-option` */
  async users(options: PageOptions = {}): Promise<ClusterAnswer<UserPage, readonly ClusterUser[]>> {
    const page = pageOf(options);
    return this.#ask('users', page, options, (all: readonly (readonly ClusterUser[])[]) => mergeUsers(all, page));
  }

  /** Connected sessions, anonymous ones too, by id, a page at a time. @throws BrokerError `invalid-option` */
  async sessions(
    options: PageOptions & SessionFilter = {},
  ): Promise<ClusterAnswer<SessionPage, readonly ClusterSession[]>> {
    const page = pageOf(options);
    const { user, remoteAddress } = options;
    const args = { ...page, user, remoteAddress };
    return this.#ask('sessions', args, options, (all: readonly (readonly ClusterSession[])[]) => {
      return mergeSessions(all, page);
    });
  }

  /** Subscriptions to a destination as clients wrote it, `/user/…` included. @throws BrokerError `invalid-option` */
  async findSubscriptions(
    filter: SubscriptionFilter,
    options?: AskOptions,
  ): Promise<ClusterAnswer<readonly ClusterSubscription[]>> {
    const args = { ...filter, limit: limitOf(filter.limit) };
    return this.#ask<readonly ClusterSubscription[], readonly ClusterSubscription[]>(
      'subscriptions',
      args,
      options,
      (all) => all.flat(),
    );
  }

  // ——— What is done. Each returns how many sessions it was done to. ———

  /** Ends a session, wherever it is. */
  disconnect(sessionId: string, { reason, ...options }: EndOptions = {}): Promise<ClusterAnswer<number>> {
    return this.#order('disconnect', { sessionId, reason }, options);
  }

  /** Ends all sessions of a user. */
  disconnectUser(user: string, { reason, ...options }: EndOptions = {}): Promise<ClusterAnswer<number>> {
    return this.#order('kick', { user, reason }, options);
  }

  /** Ends all sessions of a user, of an address, or of both at once. @throws BrokerError `invalid-option` for neither */
  async kick(filter: SessionFilter, { reason, ...options }: EndOptions = {}): Promise<ClusterAnswer<number>> {
    const { user, remoteAddress } = filter;
    if (user === undefined && remoteAddress === undefined) {
      throw new BrokerError('invalid-option', 'kick: got neither user nor remoteAddress, wants one of them');
    }
    return this.#order('kick', { user, remoteAddress, reason }, options);
  }

  /** Ends a subscription without its client. @param number as `SubscriptionDetails.number` */
  unsubscribe(sessionId: string, number: number, options?: AskOptions): Promise<ClusterAnswer<number>> {
    return this.#order('unsubscribe', { sessionId, number }, options);
  }

  /** What the rules allowed is asked again: of every session, or of those that are meant. */
  revoke({ user, remoteAddress }: SessionFilter = {}, options?: AskOptions): Promise<ClusterAnswer<number>> {
    return this.#order('revoke', { user, remoteAddress }, options);
  }

  /**
   * Sends to every connected session of all nodes, at `/user` + `destination`. To the subscribers of a topic on all nodes:
   * `Broker.convertAndSend`.
   * @throws BrokerError as `convertAndSend`
   */
  async broadcast(
    destination: string,
    payload: unknown,
    headers: MessageHeaders = {},
    options?: AskOptions,
  ): Promise<ClusterAnswer<number>> {
    const { body, contentType } = encodePayload(payload);
    const args: BroadcastArgs = { destination, headers, contentType, body: body.toString('base64') };
    return this.#order('broadcast', args, options);
  }

  #order(kind: string, args: unknown, options?: AskOptions): Promise<ClusterAnswer<number>> {
    return this.#ask<number, number>(kind, args, options, sumOf);
  }

  async #ask<N, T>(
    kind: string,
    args: unknown,
    options: AskOptions | undefined,
    merge: (answers: readonly N[]) => T,
  ): Promise<ClusterAnswer<T, N>> {
    const { nodes, missing } = await this.#parts.questions.ask<N>(kind, args, options);
    return { merged: merge(nodes.map(({ answer }) => answer)), nodes, missing };
  }

  // ——— What this node answers ———

  #answerQuestions(): void {
    const { questions, operations, nodeId, stats } = this.#parts;
    questions.answer('info', () => this.#info());
    questions.answer('stats', stats);
    questions.answer('user-names', () => packNames(operations.userNames()));
    questions.answer('user', (args) => {
      const { name } = args as { readonly name: string };
      return this.#users([name]);
    });
    questions.answer('users', (args) => {
      return this.#users(firstBehind(operations.userNames(), (name) => name, args as PageRequest));
    });
    questions.answer('sessions', (args) => {
      const asked = args as PageRequest & SessionFilter;
      return firstBehind(this.#meant(asked), ({ id }) => id, asked).map((session) => viewOf(session, nodeId));
    });
    questions.answer('subscriptions', (args) => this.#subscriptions(args as SubscriptionFilter & { limit: number }));
  }

  #answerOrders(): void {
    const { questions, operations } = this.#parts;
    questions.answer('disconnect', (args) => {
      const { sessionId, reason } = args as { readonly sessionId: string; readonly reason?: string };
      return Number(operations.disconnect(sessionId, reason));
    });
    questions.answer('kick', (args) => {
      const { reason, ...filter } = args as SessionFilter & { readonly reason?: string };
      return this.#each(filter, (id) => operations.disconnect(id, reason));
    });
    questions.answer('unsubscribe', (args) => {
      const { sessionId, number } = args as { readonly sessionId: string; readonly number: number };
      return Number(operations.unsubscribe(sessionId, number));
    });
    questions.answer('revoke', (args) => this.#each(args as SessionFilter, (id) => operations.forgetAllowed(id)));
    questions.answer('broadcast', (args) => {
      const { destination, headers, contentType, body } = args as BroadcastArgs;
      return operations.broadcastEncoded(destination, { contentType, body: Buffer.from(body, 'base64') }, headers);
    });
  }

  #info(): NodeInfo {
    const { operations, members, nodeId, health } = this.#parts;
    const { sessionCount: sessions, userCount: users, subscriptionCount: subscriptions, isAccepting } = operations;
    const incarnation = members?.incarnation ?? null;
    return { nodeId, incarnation, isOk: health().isOk, isAccepting, sessions, users, subscriptions };
  }

  /** Connected sessions. */
  *#meant(filter: SessionFilter): Generator<SessionLike> {
    const { operations } = this.#parts;
    for (const session of operations.sessions()) {
      if (session.state === 'connected' && isMeant(session, filter)) yield session;
    }
  }

  #each(filter: SessionFilter, act: (sessionId: string) => boolean): number {
    const ids = [...this.#meant(filter)].map(({ id }) => id);
    return ids.filter(act).length;
  }

  #users(names: readonly string[]): ClusterUser[] {
    const { operations, nodeId } = this.#parts;
    return names.flatMap((name) => {
      const details = operations.user(name)?.sessions.flatMap(({ id }) => operations.session(id) ?? []) ?? [];
      return details.length === 0 ? [] : [{ name, sessions: details.map((session) => viewOf(session, nodeId)) }];
    });
  }

  #subscriptions(filter: SubscriptionFilter & { readonly limit: number }): ClusterSubscription[] {
    const found: ClusterSubscription[] = [];
    for (const session of this.#meant(filter)) {
      for (const { id, destination } of session.subscriptions()) {
        if (destination !== filter.destination) continue;
        found.push({ id, destination, session: viewOf(session, this.#parts.nodeId) });
        if (found.length >= filter.limit) return found;
      }
    }
    return found;
  }
}

type SessionLike = NonNullable<ReturnType<BrokerOperations['session']>>;

function pageOf({ limit, after = '' }: PageOptions): PageRequest {
  return { limit: limitOf(limit), after };
}

function limitOf(limit = DEFAULT_LIMIT): number {
  if (Number.isInteger(limit) && limit >= 1 && limit <= MAX_LIMIT) return limit;
  throw new BrokerError('invalid-option', `limit: got ${limit}, wants a whole number from 1 to ${MAX_LIMIT}`);
}
