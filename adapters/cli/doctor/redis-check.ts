/** Whether the Redis of a cluster is there, allows what nodes do, and keeps what they give it. */
import { BrokerError } from '../../../broker/errors.js';
import type { Logger } from '../../../broker/ports.js';
import { composeRedis } from '../../composition.js';
import type { ResolvedRedisRelayOptions, ResolvedServerOptions } from '../../config/index.js';
import { SystemClock } from '../../system-clock.js';
import { fail, type Finding, ok, skip, warn } from './finding.js';

type Parts = NonNullable<ReturnType<typeof composeRedis>>;
type Info = Readonly<Record<string, string | undefined>>;

const SILENT: Logger = { level: 'silent', debug: nothing, info: nothing, warn: nothing, error: nothing };
const CHECK = 'Redis';
/** Sharded Pub/Sub, which a Redis Cluster needs, came with it. */
const SHARDED_SINCE = 7;
const OLDEST = 6;
const SLOW_MS = 50;

function nothing(): void {
  // A check says what it has found; the adapters need not.
}

/** @throws nothing: what goes wrong is a finding */
export async function* checkRedis(options: Pick<ResolvedServerOptions, 'relay' | 'broker'>): AsyncGenerator<Finding> {
  const { relay } = options;
  if (relay === false || relay.type !== 'redis') return;
  const parts = composeRedis(options, { clock: new SystemClock(), logger: SILENT });
  if (parts === null) return;
  const { commands, signals } = parts;
  await commands.start();
  await signals.start();
  try {
    if (!commands.isUp) {
      yield fail(CHECK, commands.why, 'start it, or look at relay.url, sentinels or clusterNodes and the password');
      return;
    }
    yield await checkTime(parts);
    const info = await readInfo(parts);
    if (info === null) yield skip(`${CHECK} settings`, 'INFO is not allowed to this user');
    else yield* checkInfo(relay, info);
    yield* checkRights(relay, parts);
  } finally {
    await signals.stop();
    await commands.stop();
  }
}

async function checkTime({ commands, keys }: Parts): Promise<Finding> {
  const began = performance.now();
  try {
    await commands.command('EVAL', 'return 1', 1, keys.of('doctor'));
  } catch {
    // Told with the rights.
  }
  const took = performance.now() - began;
  const text = `reachable, round trip ${took.toFixed(1)} ms`;
  if (took < SLOW_MS) return ok(CHECK, text);
  return warn(CHECK, text, 'every RECEIPT of a shared queue waits for that: move it nearer');
}

async function readInfo({ commands }: Parts): Promise<Info | null> {
  try {
    const text = String(await commands.command('INFO'));
    return Object.fromEntries(
      text
        .split(/\r?\n/)
        .filter((line) => line.includes(':'))
        .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]),
    );
  } catch {
    return null;
  }
}

function* checkInfo(relay: ResolvedRedisRelayOptions, info: Info): Generator<Finding> {
  const { redis_version: version = '0' } = info;
  const wanted = relay.clusterNodes.length > 0 ? SHARDED_SINCE : OLDEST;
  if (parseInt(version, 10) < wanted) yield fail(`${CHECK} version`, version, `wants ${wanted} or newer`);
  else yield ok(`${CHECK} version`, version);
  if (info['role'] === 'slave')
    yield fail(`${CHECK} role`, 'this is a replica', 'name the master, or Sentinels that know it');
  const policy = info['maxmemory_policy'] ?? 'noeviction';
  if (policy === 'noeviction') yield ok(`${CHECK} eviction`, 'noeviction');
  else {
    yield fail(
      `${CHECK} eviction`,
      `${policy}: when memory is full it drops queues and histories`,
      'CONFIG SET maxmemory-policy noeviction',
    );
  }
  if (info['aof_enabled'] === '0') {
    const advice = 'CONFIG SET appendonly yes, and in its configuration file';
    yield warn(`${CHECK} durability`, 'no append-only file: a restart loses queues and histories', advice);
  } else yield ok(`${CHECK} durability`, 'append-only file');
  const replicas = Number(info['connected_slaves'] ?? 0);
  if (replicas < relay.minReplicas) {
    const text = `${replicas} connected, relay.minReplicas is ${relay.minReplicas}: nothing stored is confirmed`;
    yield fail(`${CHECK} replicas`, text, 'connect replicas, or lower minReplicas');
  }
}

/** What nodes do, done once, under names of our own. */
async function* checkRights(relay: ResolvedRedisRelayOptions, parts: Parts): AsyncGenerator<Finding> {
  const { commands, keys, signals } = parts;
  const key = keys.of('doctor');
  const missing: string[] = [];
  const tried: readonly (readonly [string, () => Promise<unknown>])[] = [
    [
      'EVAL on keys',
      () => commands.command('EVAL', "redis.call('SET', KEYS[1], 1, 'PX', 1000) return redis.call('TIME')", 1, key),
    ],
    ['PUBLISH', () => commands.command('PUBLISH', `${relay.keyPrefix}doctor`, '')],
    ['SUBSCRIBE', () => listenOnce(signals)],
  ];
  for (const [what, attempt] of tried) {
    try {
      await attempt();
    } catch (error) {
      missing.push(
        `${what} (${error instanceof BrokerError && error.cause instanceof Error ? error.cause.message : (error as Error).message})`,
      );
    }
  }
  const check = `${CHECK} rights`;
  if (missing.length === 0) yield ok(check, 'scripts, keys and channels under the prefix are allowed');
  else
    yield fail(
      check,
      `not allowed: ${missing.join('; ')}`,
      'see "Several nodes" in the README for what the user needs',
    );
}

async function listenOnce(signals: Parts['signals']): Promise<void> {
  const listening = signals.listen('doctor', nothing);
  try {
    await listening.inForce;
  } finally {
    listening.stop();
  }
}
