/**
 * Histories that nodes share, as this node reads them: what was recorded comes over RedisSignals, what was missed is asked
 * for by scripts.
 */
import type {
  HistoriesMark,
  HistoryChanges,
  HistoryInterest,
  HistoryPage,
  HistoryPageRequest,
  Logger,
  NodeHistories,
  NodeHistoriesEvents,
} from '../../../broker/ports.js';
import { BrokerError } from '../../../broker/errors.js';
import { textOf } from '../connection/deferred.js';
import type { RedisCommands } from '../connection/redis-commands.js';
import type { RedisKeys } from '../connection/redis-keys.js';
import type { RedisScript } from '../connection/redis-script.js';
import type { Listening, RedisSignals } from '../connection/redis-signals.js';
import { channelOf, createName } from './history-names.js';
import { READ_CHANGES, READ_PAGE } from './read-scripts.js';
import { decodeRecorded } from './recorded-payload.js';

export interface RedisHistoriesPorts {
  readonly commands: RedisCommands;
  readonly signals: RedisSignals;
  readonly keys: RedisKeys;
  readonly logger: Logger;
  /** This run of this node, as the store says it. */
  readonly incarnation: () => string;
}

type Reply = readonly (Buffer | number)[];

/** Of one message in a page: id, time, octets. */
const PAGE_HEAD = 9;
const PER_MESSAGE = 3;
const CHANGES_AT_ONCE = 5_000;

export class RedisHistories implements NodeHistories {
  readonly #ports: RedisHistoriesPorts;
  readonly #claims = new Map<string, { count: number; readonly listening: Listening }>();
  #events: NodeHistoriesEvents | null = null;
  #stopWatching: (() => void)[] = [];
  #unreadable = 0;

  constructor(ports: RedisHistoriesPorts) {
    this.#ports = ports;
  }

  async start(events: NodeHistoriesEvents): Promise<void> {
    const { commands, signals } = this.#ports;
    this.#events = events;
    const tell = (): void => {
      if (commands.isUp && signals.isUp) this.#events?.onReachable();
    };
    this.#stopWatching = [commands.onChange(tell), signals.onChange(tell)];
    await Promise.all([commands.start(), signals.start()]);
  }

  join(interest: HistoryInterest): Promise<void> | undefined {
    const channel = channelOf(interest);
    const claim = this.#claims.get(channel);
    if (claim !== undefined) {
      claim.count++;
      return claim.listening.inForce;
    }
    const listening = this.#ports.signals.listen(channel, (octets) => {
      this.#receive(octets);
    });
    this.#claims.set(channel, { count: 1, listening });
    return listening.inForce;
  }

  leave(interest: HistoryInterest): void {
    const channel = channelOf(interest);
    const claim = this.#claims.get(channel);
    if (claim === undefined || --claim.count > 0) return;
    this.#claims.delete(channel);
    claim.listening.stop();
  }

  async read(request: HistoryPageRequest): Promise<HistoryPage> {
    const { destination, after, upTo = -1, bounds, maxPageMessages, maxPageBytes } = request;
    const { epoch, offset } =
      after === 'start' || after === 'end' ? { epoch: '', offset: after === 'end' ? -1 : 0 } : after;
    const { maxMessages, maxBytes, maxAgeMs } = bounds;
    const limits = [maxMessages, maxBytes, maxAgeMs, maxPageMessages, maxPageBytes];
    return pageOf(await this.#run(READ_PAGE, [destination, epoch, offset, upTo, ...limits, createName()]));
  }

  async changes(since: HistoriesMark | null): Promise<HistoryChanges> {
    const changed: { destination: string; number: number }[] = [];
    let from = since?.number ?? -1;
    for (;;) {
      const reply = await this.#run(READ_CHANGES, [from, CHANGES_AT_ONCE, createName()]);
      const [generation, number, ...rest] = reply.map(String);
      for (let k = 0; k + 1 < rest.length; k += 2) {
        changed.push({ destination: rest[k] ?? '', number: Number(rest[k + 1]) });
      }
      if (rest.length < 2 * CHANGES_AT_ONCE) {
        return { mark: { generation: generation ?? '', number: Number(number) }, changed };
      }
      from = changed.at(-1)?.number ?? from;
    }
  }

  async stop(): Promise<void> {
    const { commands, signals } = this.#ports;
    this.#events = null;
    for (const stop of this.#stopWatching.splice(0)) stop();
    for (const { listening } of this.#claims.values()) listening.stop();
    this.#claims.clear();
    await Promise.all([commands.stop(), signals.stop()]);
  }

  async #run(script: RedisScript, args: readonly (string | number)[]): Promise<Reply> {
    const { commands, keys } = this.#ports;
    try {
      return (await commands.run(script, [keys.of('')], args)) as Reply;
    } catch (error) {
      if (error instanceof BrokerError) throw error;
      throw new BrokerError('relay-unavailable', `Redis cannot read a history: ${textOf(error)}`, { cause: error });
    }
  }

  #receive(octets: Buffer): void {
    if (this.#events === null) return;
    try {
      this.#events.onRecorded(decodeRecorded(octets, this.#ports.incarnation()));
    } catch (error) {
      // Once: a node of another version may send any number.
      if (this.#unreadable++ > 0) return;
      this.#ports.logger.error({ err: error }, 'what another node has recorded cannot be read as it comes');
    }
  }
}

function pageOf(reply: Reply): HistoryPage {
  const [epoch = '', former = '', ...numbers] = reply.slice(0, PAGE_HEAD).map(String);
  const [end = 0, number = 0, trimmedTo = 0, trimmedAt = 0, now = 0, after = 0, isContinued = 0] = numbers.map(Number);
  const messages: HistoryPage['messages'][number][] = [];
  for (let k = PAGE_HEAD; k + 2 < reply.length; k += PER_MESSAGE) {
    const [offset = 0, own = 0] = String(reply[k]).split('-').map(Number);
    messages.push({ offset, number: own, ageMs: now - Number(String(reply[k + 1])), octets: reply[k + 2] as Buffer });
  }
  return {
    epoch,
    former: former.split(' ').filter(Boolean).map(formerOf),
    end,
    number,
    trimmedTo,
    trimmedAgeMs: now - trimmedAt,
    after,
    isContinued: isContinued === 1,
    messages,
  };
}

function formerOf(text: string): { epoch: string; end: number } {
  const [epoch = '', end] = text.split(':');
  return { epoch, end: Number(end) };
}
