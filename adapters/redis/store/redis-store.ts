/**
 * What outlives a session or the process, kept in Redis for all nodes of a cluster. Each commit is one script, or a few where
 * it is long; who is to be told of what others do hears it over Pub/Sub.
 */
import { BrokerError } from '../../../broker/errors.js';
import type {
  Clock,
  SharedOperation,
  SharedStore,
  SharedStoreEvents,
  StoreContents,
  StoredLane,
  StoredMessage,
  StoredRecord,
  StoreOperation,
  UnitOutcome,
} from '../../../broker/ports.js';
import { textOf } from '../connection/deferred.js';
import type { RedisArgument, RedisCommands } from '../connection/redis-commands.js';
import type { RedisKeys } from '../connection/redis-keys.js';
import type { RedisSignals } from '../connection/redis-signals.js';
import { type RedisScript, redisScript } from '../connection/redis-script.js';
import { COMMIT, encodeUnit, kindOf, SWEEP } from './commit-script.js';
import { unpackMessage } from './packed-message.js';
import { CONTENTS_LUA, READ_LUA } from './store-kinds.js';
import { StoreNotices } from './store-notices.js';

export interface RedisStoreOptions {
  /** Replicas that have to have a commit before it counts; 0: Redis alone. */
  readonly minReplicas: number;
  /** How long they may take, in ms. */
  readonly replicaTimeoutMs: number;
}

export interface RedisStorePorts {
  readonly commands: RedisCommands;
  readonly signals: RedisSignals;
  readonly keys: RedisKeys;
  readonly clock: Pick<Clock, 'epochMs'>;
  /** This run of this node, as it is in the set `nodes` while it is a member. */
  readonly incarnation: () => string;
}

/** A script holds Redis up for its whole length: about a millisecond or two for so many. */
const MAX_OPERATIONS = 512;
const MAX_BYTES = 1024 * 1024;
const SWEPT_AT_ONCE = 10_000;

const READ = redisScript(READ_LUA);
const CONTENTS = redisScript(CONTENTS_LUA);
const RECORD = redisScript("return redis.call('HGET', KEYS[1] .. 'records', ARGV[1])");

type Unit = readonly SharedOperation[];

export class RedisStore implements SharedStore {
  readonly name = 'redis';
  readonly isShared = true;
  readonly #options: RedisStoreOptions;
  readonly #ports: RedisStorePorts;
  readonly #tag: string;
  readonly #notices: StoreNotices;
  #isClosed = false;
  /** The commit before; never rejects. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: RedisStoreOptions, ports: RedisStorePorts) {
    this.#options = options;
    this.#ports = ports;
    this.#tag = ports.keys.of('');
    this.#notices = new StoreNotices(ports.commands, ports.signals);
  }

  listen(events: SharedStoreEvents): void {
    this.#notices.listen(events);
  }

  /** With nothing, while Redis cannot be reached: then `SharedStoreEvents.onReachable` says when to look. */
  async open(): Promise<StoreContents> {
    await this.#ports.commands.start();
    await this.#notices.start();
    return this.#ports.commands.isUp ? this.#contents() : { lanes: [], records: [] };
  }

  async commit(operations: readonly StoreOperation[]): Promise<void> {
    const [outcome] = await this.commitUnits([operations]);
    if (outcome?.isDone === false) throw outcome.error;
  }

  async commitUnits(units: readonly Unit[]): Promise<readonly UnitOutcome[]> {
    if (this.#isClosed) return units.map(() => refusal(closed()));
    const before = this.#last;
    const running = this.#runAll([...inScripts(units)]);
    const answered = running.then(async (outcomes) => {
      // Answers come in the order of asking, whatever each of them took.
      await before;
      return outcomes.flat();
    });
    this.#last = answered;
    return answered;
  }

  async read(
    stream: string,
    priority: number,
    afterSequence: number,
    { maxMessages, maxBytes }: { readonly maxMessages: number; readonly maxBytes: number },
  ): Promise<readonly StoredMessage[]> {
    const reply = await this.#ask(READ, [priority, stream, afterSequence, maxMessages, maxBytes]);
    return pairs(reply).map(([sequence, packed]) => ({
      sequence: Number(String(sequence)),
      priority,
      ...unpackMessage(packed as Buffer),
    }));
  }

  async records(prefix: string): Promise<readonly StoredRecord[]> {
    return (await this.#contents()).records.filter(({ key }) => key.startsWith(prefix));
  }

  async record(key: string): Promise<StoredRecord | null> {
    const packed = await this.#ask(RECORD, [key]);
    if (packed === null) return null;
    const record = readRecord(key, packed as Buffer);
    const isThere = record.expiresEpochMs === 0 || record.expiresEpochMs > this.#ports.clock.epochMs();
    return isThere ? record : null;
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#notices.stop();
    await this.#ports.commands.stop();
  }

  async #contents(): Promise<StoreContents> {
    const [lanes, records] = (await this.#ask(CONTENTS, [])) as readonly (readonly unknown[])[];
    const nowEpochMs = this.#ports.clock.epochMs();
    const all = pairs(records).map(([name, packed]) => readRecord(String(name), packed as Buffer));
    return {
      lanes: readLanes(lanes ?? []),
      records: all.filter(({ expiresEpochMs }) => expiresEpochMs === 0 || expiresEpochMs > nowEpochMs),
    };
  }

  async #ask(script: RedisScript, args: readonly RedisArgument[]): Promise<unknown> {
    if (this.#isClosed) throw closed();
    try {
      return await this.#ports.commands.run(script, [this.#tag], args);
    } catch (error) {
      throw asFailure(error);
    }
  }

  /** All at once, as far as there is room on the way: what waits lets the journal, and by it publishers, wait. */
  async #runAll(scripts: readonly (readonly Unit[])[]): Promise<readonly (readonly UnitOutcome[])[]> {
    const { commands } = this.#ports;
    const running: Promise<readonly UnitOutcome[]>[] = [];
    for (const some of scripts) {
      if (!commands.hasRoom) await commands.room();
      running.push(this.#run(some));
    }
    return Promise.all(running);
  }

  /** In one script. */
  async #run(units: readonly Unit[]): Promise<readonly UnitOutcome[]> {
    const isGrowing = units.map((unit) => unit.some((operation) => kindOf(operation).grows));
    const grows = isGrowing.includes(true);
    try {
      return await this.#runScript(units, grows);
    } catch (error) {
      const failure = asFailure(error);
      if (failure.code !== 'store-full' || !grows) return units.map(() => refusal(failure));
      return this.#runWithoutRoom(units, isGrowing, failure);
    }
  }

  /** What has expired may be what room is lacking for; what only takes away needs none. */
  async #runWithoutRoom(
    units: readonly Unit[],
    isGrowing: readonly boolean[],
    failure: BrokerError,
  ): Promise<readonly UnitOutcome[]> {
    try {
      const swept = await this.#ask(SWEEP, [...this.#who(), SWEPT_AT_ONCE]);
      if (Number(swept) > 0) return await this.#runScript(units, true);
    } catch (error) {
      const again = asFailure(error);
      if (again.code !== 'store-full') return units.map(() => refusal(again));
    }
    const small = units.filter((_, k) => isGrowing[k] === false);
    const outcomes = [...(await this.#run(small))];
    return isGrowing.map((isLarge) => (isLarge ? undefined : outcomes.shift()) ?? refusal(failure));
  }

  async #runScript(units: readonly Unit[], grows: boolean): Promise<readonly UnitOutcome[]> {
    if (units.length === 0) return [];
    const args = [...this.#who(), grows ? '1' : '0', units.length, ...units.flatMap(encodeUnit)];
    const { commands } = this.#ports;
    const { minReplicas, replicaTimeoutMs } = this.#options;
    const running = this.#ask(COMMIT, args);
    // In one write with the script, so that nothing else comes between.
    const having = minReplicas === 0 ? null : commands.waitReplicas(minReplicas, replicaTimeoutMs);
    having?.catch(() => undefined);
    const replies = await running;
    if (having !== null) {
      const count = await having.catch((error: unknown) => Promise.reject(asFailure(error)));
      if (count < minReplicas) throw tooFew(count, minReplicas, replicaTimeoutMs);
    }
    return (replies as readonly unknown[]).map((reply, k) => readOutcome(reply as readonly unknown[], units[k] ?? []));
  }

  #who(): [number, string, string] {
    const { clock, incarnation, signals } = this.#ports;
    const me = incarnation();
    this.#notices.hearAs(me);
    return [clock.epochMs(), me, signals.publishCommand];
  }
}

/** In the order of units; each script short, a unit never divided. */
function* inScripts(units: readonly Unit[]): Iterable<readonly Unit[]> {
  let some: Unit[] = [];
  let operations = 0;
  let bytes = 0;
  for (const unit of units) {
    const unitBytes = unit.reduce((sum, each) => sum + ('message' in each ? each.message.octets.length : 0), 0);
    const unitOperations = unit.reduce((sum, each) => sum + weightOf(each), 0);
    if (some.length > 0 && (operations + unitOperations > MAX_OPERATIONS || bytes + unitBytes > MAX_BYTES)) {
      yield some;
      some = [];
      operations = bytes = 0;
    }
    some.push(unit);
    operations += unitOperations;
    bytes += unitBytes;
  }
  if (some.length > 0) yield some;
}

/** How many operations of the usual kind it takes as long as. */
function weightOf(operation: SharedOperation): number {
  if (operation.kind === 'inbox-forget') return MAX_OPERATIONS;
  return operation.kind === 'inbox-interest' ? operation.joined.length + operation.left.length : 1;
}

function readOutcome(reply: readonly unknown[], unit: Unit): UnitOutcome {
  const [isDone, ...results] = reply;
  if (isDone !== 1) {
    const [code, text] = results.map(String);
    return refusal(new BrokerError(code === 'queue-full' || code === 'message-gone' ? code : 'internal', text ?? ''));
  }
  return { isDone: true, results: unit.map((operation, k) => kindOf(operation).decode?.(results[k])) };
}

function readLanes(reply: readonly unknown[]): StoredLane[] {
  const lanes: StoredLane[] = [];
  for (let k = 0; k + 3 < reply.length; k += 4) {
    const [name = '', messages, bytes, mark] = reply.slice(k, k + 4).map(String);
    lanes.push({
      stream: name.slice(2),
      priority: Number(name[0]),
      messages: Number(messages),
      bytes: Number(bytes),
      markedSequence: Number(mark),
    });
  }
  return lanes;
}

function readRecord(key: string, packed: Buffer): StoredRecord {
  return { key, value: packed.toString('utf8', 8), expiresEpochMs: packed.readDoubleBE(0) };
}

function* byTwo(list: readonly unknown[]): Iterable<readonly [unknown, unknown]> {
  for (let k = 0; k + 1 < list.length; k += 2) yield [list[k], list[k + 1]];
}

function pairs(reply: unknown): (readonly [unknown, unknown])[] {
  return [...byTwo(reply as readonly unknown[])];
}

function refusal(error: BrokerError): UnitOutcome {
  return { isDone: false, error };
}

function closed(): BrokerError {
  return new BrokerError('store-failed', 'the store in Redis is closed');
}

function tooFew(count: number, wanted: number, timeoutMs: number): BrokerError {
  return new BrokerError('store-failed', `${count} of ${wanted} replicas of Redis had it within ${timeoutMs} ms`);
}

function asFailure(error: unknown): BrokerError {
  if (error instanceof BrokerError && (error.code === 'store-failed' || error.code === 'store-full')) return error;
  // Within a script its name stands in front.
  const isFull = /(^|\s)-?OOM /.test(textOf(error));
  return new BrokerError(isFull ? 'store-full' : 'store-failed', textOf(error), { cause: error });
}
