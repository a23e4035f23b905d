/**
 * Channels on which this node publishes nothing, since no other node wants them; and the waking of other nodes from such
 * silence. DESIGN.md, 6, says why nothing is missed.
 */
import type { Clock, Logger } from '../../../broker/ports.js';
import type { Channel } from '../connection/channel-set.js';
import type { RedisCommands } from '../connection/redis-commands.js';
import type { RedisKeys } from '../connection/redis-keys.js';
import type { Listening, RedisSignals } from '../connection/redis-signals.js';
import { LEAVE_QUIET, REGISTER_QUIET, WAKE_QUIET } from './quiet-scripts.js';
import { WakeCalls } from './wake-calls.js';

/** How long silence lasts that is not renewed, and how long a node that does not answer is waited for. */
const LEASE_MS = 2_000;
const RENEW_EVERY_MS = 600;
/** Renewals without a message in between, after which a channel is given up: finding out again costs envelopes. */
const MAX_IDLE_RENEWALS = 10;
/** That many envelopes for nobody else, within one of those intervals, and silence is worth a script. */
const LONELY_ENVELOPES = 8;
/** Whoever joins a pattern looks at all of them. */
const MAX_QUIET = 1_000;
const MAX_LONELY = 10_000;

export interface QuietChannelsParts {
  readonly commands: RedisCommands;
  readonly signals: RedisSignals;
  readonly keys: RedisKeys;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Of this node's run, 16 hexadecimal digits. */
  readonly tag: string;
  /** This node's own subscriptions that Redis counts for a channel; null: not known at the moment. */
  readonly ownOf: (channel: string) => readonly Channel[] | null;
  readonly matches: (glob: string, channel: string) => boolean;
  /** An envelope without messages. */
  readonly probeOf: (destination: string) => Buffer;
}

interface Quiet {
  readonly destination: string;
  readonly channel: string;
  /** By this node's clock. */
  untilMs: number;
  /** Renewals since a message was held back. */
  idleRenewals: number;
  /** False once somebody wants it, or what Redis was told may be lost: what is asked at that moment says nothing. */
  isValid: boolean;
}

export class QuietChannels {
  readonly #parts: QuietChannelsParts;
  readonly #hash: string;
  readonly #calls: WakeCalls;
  /** Those that are silent, or about to be. */
  readonly #byDestination = new Map<string, Quiet>();
  readonly #byChannel = new Map<string, Quiet>();
  /** By destination: envelopes in this interval that nobody else wanted. */
  readonly #lonely = new Map<string, number>();
  #asked: Quiet[] = [];
  #listening: Listening | null = null;
  #undo: (() => void)[] = [];

  constructor(parts: QuietChannelsParts) {
    this.#parts = parts;
    const { tag, commands, signals, keys } = parts;
    this.#hash = keys.of('quiet');
    this.#calls = new WakeCalls(tag, (to, text) => {
      // One that is not heard is waited for until its lease is over.
      commands.command(signals.publishCommand, keys.of(`quiet:${to}`), text).catch(() => undefined);
    });
  }

  /** Once the connections that it shares have begun. */
  start(): void {
    const { commands, signals, clock, tag } = this.#parts;
    this.#listening = signals.listen(`quiet:${tag}`, (octets) => {
      this.#calls.heard(octets.toString(), (channel) => {
        this.#end(this.#byChannel.get(channel));
      });
    });
    const forget = (): void => {
      this.forget();
    };
    const renew = (): void => {
      this.#renew();
    };
    this.#undo = [commands.onChange(forget), signals.onChange(forget), clock.every(RENEW_EVERY_MS, renew)];
    void this.#tidyUp();
  }

  stop(): void {
    for (const undo of this.#undo) undo();
    this.#undo = [];
    this.#listening?.stop();
    this.#calls.forget();
    this.forget();
  }

  /** Whether nobody else wants what is published there. @param atMs when that was here; default: now */
  isQuiet(destination: string, atMs?: number): boolean {
    if (this.#byDestination.size === 0) return false;
    const quiet = this.#byDestination.get(destination);
    if (quiet === undefined) return false;
    quiet.idleRenewals = 0;
    // Of each message, not of the turn: who waits for the end of a lease counts on it, however long a turn takes.
    return (atMs ?? this.#parts.clock.nowMs()) < quiet.untilMs;
  }

  /** Everything is published again: what Redis was told may be lost, or its word does not come through. */
  forget(): void {
    for (const quiet of [...this.#byDestination.values()]) this.#end(quiet);
    this.#lonely.clear();
  }

  /** An envelope has left. @param receivers subscriptions that Redis has given it to */
  published(destination: string, channel: string, receivers: number): void {
    if (this.#parts.ownOf(channel)?.length !== receivers) {
      this.#lonely.delete(destination);
      return;
    }
    const count = (this.#lonely.get(destination) ?? 0) + 1;
    if (count === 1 && this.#lonely.size >= MAX_LONELY) return;
    this.#lonely.set(destination, count);
    if (count < LONELY_ENVELOPES) return;
    this.#lonely.delete(destination);
    const { commands, signals } = this.#parts;
    const isTaken = this.#byChannel.has(channel) || this.#byChannel.size >= MAX_QUIET;
    if (isTaken || !commands.isUp || !signals.isUp) return;
    const quiet = { destination, channel, untilMs: 0, idleRenewals: 0, isValid: true };
    this.#byDestination.set(destination, quiet);
    this.#byChannel.set(channel, quiet);
    this.#asked.push(quiet);
    if (this.#asked.length > 1) return;
    this.#parts.clock.soon(() => {
      const asked = this.#asked;
      this.#asked = [];
      void this.#register(asked);
    });
  }

  /** This node has joined them, by Redis' word. Resolves when no other node is silent there. */
  async wakeOthers(channels: readonly Channel[]): Promise<void> {
    const { clock } = this.#parts;
    let stop = (): void => undefined;
    // From that word on no lease is renewed, so each is over when this time is.
    const over = new Promise<void>((resolve) => {
      stop = clock.every(LEASE_MS, resolve);
    });
    await Promise.race([this.#call(channels).catch(() => over), over]);
    stop();
  }

  async #call(channels: readonly Channel[]): Promise<void> {
    const { commands, tag } = this.#parts;
    const names = channels[0]?.kind === 'glob' ? await this.#matching(channels) : channels.map(({ name }) => name);
    if (names.length === 0) return;
    const replies = (await commands.run(WAKE_QUIET, [this.#hash], [tag, LEASE_MS, ...names])) as Buffer[][];
    await Promise.all(
      names.flatMap((name, k) => (replies[k] ?? []).map((other) => this.#calls.call(other.toString(), name))),
    );
  }

  async #matching(globs: readonly Channel[]): Promise<string[]> {
    const { matches } = this.#parts;
    return (await this.#all()).filter((name) => globs.some((glob) => matches(glob.name, name)));
  }

  async #all(): Promise<string[]> {
    return ((await this.#parts.commands.command('HKEYS', this.#hash)) as Buffer[]).map(String);
  }

  /** Takes out nodes that have died. */
  async #tidyUp(): Promise<void> {
    try {
      const channels = await this.#all();
      if (channels.length > 0) await this.#leave(channels);
    } catch {
      // The next node to start will.
    }
  }

  async #leave(channels: readonly string[]): Promise<void> {
    const { commands, tag } = this.#parts;
    await commands.run(LEAVE_QUIET, [this.#hash], [tag, LEASE_MS, ...channels]);
  }

  /** Silence begins, or goes on, where Redis sees nobody else. */
  async #register(asked: readonly Quiet[]): Promise<void> {
    const { commands, clock, tag, ownOf, probeOf, logger } = this.#parts;
    const untilMs = clock.nowMs() + LEASE_MS;
    const known = asked.flatMap((quiet) => {
      const own = ownOf(quiet.channel);
      return own === null || !quiet.isValid ? [] : [{ quiet, own }];
    });
    if (known.length === 0) return;
    const args = known.flatMap(({ quiet, own }) => [quiet.channel, own.length, probeOf(quiet.destination)]);
    try {
      const replies = (await commands.run(REGISTER_QUIET, [this.#hash], [tag, LEASE_MS, ...args])) as number[];
      for (const [k, { quiet, own }] of known.entries()) {
        if (replies[k] !== 1) this.#end(quiet);
        // What Redis counted of this node's own is known only if nothing of it has changed meanwhile.
        else if (quiet.isValid && isSame(own, ownOf(quiet.channel))) quiet.untilMs = untilMs;
      }
    } catch (error) {
      logger.debug({ err: error }, 'channels that no other node wants are published to');
    }
  }

  #renew(): void {
    this.#lonely.clear();
    const used: Quiet[] = [];
    const unused: Quiet[] = [];
    for (const quiet of this.#byDestination.values())
      (quiet.idleRenewals < MAX_IDLE_RENEWALS ? used : unused).push(quiet);
    for (const quiet of used) quiet.idleRenewals++;
    for (const quiet of unused) this.#end(quiet);
    if (unused.length > 0) this.#leave(unused.map(({ channel }) => channel)).catch(() => undefined);
    if (used.length > 0) void this.#register(used);
  }

  #end(quiet: Quiet | undefined): void {
    if (quiet?.isValid !== true) return;
    quiet.isValid = false;
    quiet.untilMs = 0;
    this.#byDestination.delete(quiet.destination);
    this.#byChannel.delete(quiet.channel);
  }
}

function isSame(one: readonly Channel[], other: readonly Channel[] | null): boolean {
  return other?.length === one.length && one.every((channel, k) => channel === other[k]);
}
