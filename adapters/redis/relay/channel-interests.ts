/**
 * Which channels and globs this node is subscribed to at Redis. What is wanted is kept here; once per turn Redis is told what
 * has changed, and on each new connection all of it.
 */
import type { Redis } from 'ioredis';
import { isPattern } from '../../../broker/destinations/pattern.js';
import { BrokerError } from '../../../broker/errors.js';
import type { ChannelNames } from './channel-names.js';
import { createDeferred, type Deferred, textOf } from '../connection/deferred.js';

/** Redis compares each PUBLISH with every glob of every node: above this a node takes everything instead of one more. */
const MAX_GLOBS = 256;
/** Channels in one SUBSCRIBE: a command of some ten kilobytes. */
const CHANNELS_PER_COMMAND = 1_000;

interface Channel {
  readonly name: string;
  readonly isGlob: boolean;
  claims: number;
  /** Redis has confirmed it on this connection. */
  isLive: boolean;
  waiting: Deferred | null;
}

export class ChannelInterests {
  readonly #names: ChannelNames;
  readonly #soon: (task: () => void) => void;
  /** By destination or pattern, as subscribed: where a pattern is counted depends on what was there before it. */
  readonly #claims = new Map<string, { readonly channel: Channel; count: number }>();
  readonly #channels = new Map<string, Channel>();
  readonly #globs = new Map<string, Channel>();
  readonly #changed = new Set<Channel>();
  /** What Redis was told on this connection. */
  readonly #told = new Set<Channel>();
  #client: Redis | null = null;
  #isScheduled = false;

  /** @param soon runs a task once what arrived in this turn was read */
  constructor(names: ChannelNames, soon: (task: () => void) => void) {
    this.#names = names;
    this.#soon = soon;
  }

  get isEmpty(): boolean {
    return this.#claims.size === 0;
  }

  /** As `NodeRelay.join`. */
  join(destination: string): Promise<void> | undefined {
    let claim = this.#claims.get(destination);
    if (claim === undefined) {
      const isGlob = isPattern(destination);
      const channel = isGlob ? this.#globFor(destination) : this.#channelFor(destination);
      channel.claims++;
      this.#claims.set(destination, (claim = { channel, count: 0 }));
    }
    claim.count++;
    const { channel } = claim;
    if (channel.isLive || this.#client === null) return undefined;
    this.#change(channel);
    return (channel.waiting ??= createDeferred()).promise;
  }

  leave(destination: string): void {
    const claim = this.#claims.get(destination);
    if (claim === undefined || --claim.count > 0) return;
    this.#claims.delete(destination);
    const { channel } = claim;
    if (--channel.claims > 0) return;
    (channel.isGlob ? this.#globs : this.#channels).delete(channel.name);
    settle(channel);
    this.#change(channel);
  }

  /** A new connection; resolves once everything wanted now is confirmed. Rejects when Redis refuses it. */
  async connected(client: Redis): Promise<void> {
    this.#client = client;
    this.#told.clear();
    this.#changed.clear();
    for (const channel of [...this.#channels.values(), ...this.#globs.values()]) this.#changed.add(channel);
    await this.#tell(client);
  }

  /** Who waits has nobody to wait for: what is wanted comes into force with the next connection. */
  disconnected(): void {
    this.#client = null;
    for (const channel of [...this.#channels.values(), ...this.#globs.values()]) {
      channel.isLive = false;
      settle(channel);
    }
  }

  #channelFor(destination: string): Channel {
    return take(this.#channels, this.#names.channelOf(destination), false);
  }

  #globFor(pattern: string): Channel {
    const glob = this.#names.globOf(pattern);
    const isRoom = this.#globs.has(glob) || this.#globs.size < MAX_GLOBS;
    return take(this.#globs, isRoom ? glob : this.#names.everything, true);
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

  async #joinSome(client: Redis, channels: readonly Channel[]): Promise<void> {
    const names = channels.map(({ name }) => name);
    try {
      await (channels[0]?.isGlob === true ? client.psubscribe(...names) : client.subscribe(...names));
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
    if (this.#client !== client) return;
    for (const channel of channels) {
      channel.isLive = channel.claims > 0;
      settle(channel);
    }
  }
}

/** Those of one kind that fit into one command. */
function* commands(channels: readonly Channel[]): Iterable<readonly Channel[]> {
  for (const isGlob of [false, true]) {
    const some = channels.filter((channel) => channel.isGlob === isGlob);
    for (let k = 0; k < some.length; k += CHANNELS_PER_COMMAND) yield some.slice(k, k + CHANNELS_PER_COMMAND);
  }
}

async function leaveSome(client: Redis, channels: readonly Channel[]): Promise<void> {
  const names = channels.map(({ name }) => name);
  // One that fails has lost its connection, and all its subscriptions with it.
  await (channels[0]?.isGlob === true ? client.punsubscribe(...names) : client.unsubscribe(...names)).catch(
    () => undefined,
  );
}

function take(channels: Map<string, Channel>, name: string, isGlob: boolean): Channel {
  let channel = channels.get(name);
  if (channel === undefined) {
    channels.set(name, (channel = { name, isGlob, claims: 0, isLive: false, waiting: null }));
  }
  return channel;
}

function settle(channel: Channel): void {
  channel.waiting?.resolve();
  channel.waiting = null;
}
