/**
 * What one connection to Redis is subscribed to. What is wanted is kept here; once per turn Redis is told what has changed,
 * and on each new connection all of it.
 */
import type { Redis } from 'ioredis';
import { BrokerError } from '../../../broker/errors.js';
import { createDeferred, type Deferred, textOf } from './deferred.js';

/** Channels in one command: one of some ten kilobytes. */
const CHANNELS_PER_COMMAND = 1_000;

/** `sharded` is of Redis Cluster: known to the master of its slot alone. Its name carries a hash tag. */
export type ChannelKind = 'exact' | 'glob' | 'sharded';

export interface Channel {
  readonly name: string;
  readonly kind: ChannelKind;
  /** How many want it. */
  claims: number;
  /** Redis has confirmed it on this connection. */
  isLive: boolean;
  waiting: Deferred | null;
}

export class ChannelSet {
  readonly #soon: (task: () => void) => void;
  readonly #onConfirmed: ((channels: readonly Channel[]) => Promise<void>) | undefined;
  readonly #channels: Readonly<Record<ChannelKind, Map<string, Channel>>> = {
    exact: new Map(),
    glob: new Map(),
    sharded: new Map(),
  };
  readonly #changed = new Set<Channel>();
  /** What Redis was told on this connection. */
  readonly #told = new Set<Channel>();
  #client: Redis | null = null;
  #isScheduled = false;

  /**
   * @param soon runs a task once what arrived in this turn was read
   * @param onConfirmed what has to happen between Redis' confirmation of some of one kind and their being in force
   */
  constructor(soon: (task: () => void) => void, onConfirmed?: (channels: readonly Channel[]) => Promise<void>) {
    this.#soon = soon;
    this.#onConfirmed = onConfirmed;
  }

  get isEmpty(): boolean {
    return Object.values(this.#channels).every(({ size }) => size === 0);
  }

  /** Of one kind, by name. */
  of(kind: ChannelKind): ReadonlyMap<string, Channel> {
    return this.#channels[kind];
  }

  /** Wants it once more; `release` gives that up. */
  claim(kind: ChannelKind, name: string): Channel {
    let channel = this.#channels[kind].get(name);
    if (channel === undefined) {
      channel = { name, kind, claims: 0, isLive: false, waiting: null };
      this.#channels[kind].set(name, channel);
      this.#change(channel);
    }
    channel.claims++;
    return channel;
  }

  /**
   * @returns undefined when it is in force, or nobody can be asked: then it comes into force with the next connection. Else
   * a promise, which rejects with BrokerError `relay-refused`
   */
  inForce(channel: Channel): Promise<void> | undefined {
    if (channel.isLive || this.#client === null) return undefined;
    this.#change(channel);
    return (channel.waiting ??= createDeferred()).promise;
  }

  release(channel: Channel): void {
    if (--channel.claims > 0) return;
    this.#channels[channel.kind].delete(channel.name);
    settle(channel);
    this.#change(channel);
  }

  /** A new connection; resolves once everything wanted now is confirmed. Rejects when Redis refuses it. */
  async connected(client: Redis): Promise<void> {
    this.#client = client;
    this.#told.clear();
    this.#changed.clear();
    for (const channel of this.#all()) this.#changed.add(channel);
    await this.#tell(client);
  }

  /** Who waits has nobody to wait for: what is wanted comes into force with the next connection. */
  disconnected(): void {
    this.#client = null;
    for (const channel of this.#all()) {
      channel.isLive = false;
      settle(channel);
    }
  }

  *#all(): Iterable<Channel> {
    for (const channels of Object.values(this.#channels)) yield* channels.values();
  }

  #change(channel: Channel): void {
    if (this.#client === null) return;
    this.#changed.add(channel);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#soon(() => {
      this.#isScheduled = false;
      if (this.#client !== null) this.#tell(this.#client).catch(() => undefined);
    });
  }

  /** Tells Redis the difference between what is wanted and what it was told. */
  async #tell(client: Redis): Promise<void> {
    const joined: Channel[] = [];
    const left: Channel[] = [];
    for (const channel of this.#changed) {
      const isWanted = channel.claims > 0;
      if (isWanted === this.#told.has(channel)) continue;
      if (isWanted) this.#told.add(channel);
      else this.#told.delete(channel);
      (isWanted ? joined : left).push(channel);
    }
    this.#changed.clear();
    const told: Promise<void>[] = [];
    // Who leaves is told first: a channel that was left and is wanted again is another object with the same name.
    for (const some of commands(left)) told.push(leaveSome(client, some));
    for (const some of commands(joined)) told.push(this.#joinSome(client, some));
    await Promise.all(told);
  }

  async #joinSome(client: Redis, { kind, channels }: OneCommand): Promise<void> {
    try {
      await client[JOIN[kind]](...channels.map(({ name }) => name));
    } catch (error) {
      // A connection that is lost has settled them already.
      if (this.#client !== client) return;
      const refusal = new BrokerError('relay-refused', `Redis refuses to subscribe: ${textOf(error)}`);
      for (const channel of channels) {
        this.#told.delete(channel);
        channel.waiting?.reject(refusal);
        channel.waiting = null;
      }
      throw refusal;
    }
    if (this.#client === client) await this.#onConfirmed?.(channels);
    if (this.#client !== client) return;
    for (const channel of channels) {
      channel.isLive = channel.claims > 0;
      settle(channel);
    }
  }
}

const JOIN = { exact: 'subscribe', glob: 'psubscribe', sharded: 'ssubscribe' } as const;
const LEAVE = { exact: 'unsubscribe', glob: 'punsubscribe', sharded: 'sunsubscribe' } as const;

interface OneCommand {
  readonly kind: ChannelKind;
  readonly channels: readonly Channel[];
}

/** Those of one kind that fit into one command; of sharded ones, those of one hash tag, which are in one slot. */
function* commands(channels: readonly Channel[]): Iterable<OneCommand> {
  const groups = new Map<string, Channel[]>();
  for (const channel of channels) {
    const { kind, name } = channel;
    const group = kind === 'sharded' ? name.slice(0, name.indexOf('}')) : kind;
    const members = groups.get(group);
    if (members === undefined) groups.set(group, [channel]);
    else members.push(channel);
  }
  for (const members of groups.values()) {
    const kind = members[0]?.kind ?? 'exact';
    for (let k = 0; k < members.length; k += CHANNELS_PER_COMMAND) {
      yield { kind, channels: members.slice(k, k + CHANNELS_PER_COMMAND) };
    }
  }
}

async function leaveSome(client: Redis, { kind, channels }: OneCommand): Promise<void> {
  // One that fails has lost its connection, and all its subscriptions with it.
  await client[LEAVE[kind]](...channels.map(({ name }) => name)).catch(() => undefined);
}

function settle(channel: Channel): void {
  channel.waiting?.resolve();
  channel.waiting = null;
}
