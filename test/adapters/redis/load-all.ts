/** Topics, users, presence and queues of a cluster, all under load at once while something breaks, and what must hold then. */
import type { Test } from 'tap';
import { load, LoadNode, type Place } from './load-node.js';
import { type LoadedPlace, QueueLoad } from './queue-load.js';
import { seedOf } from '../../helpers/seed.js';

/** HOOFBEAT_FAULTS_SEED repeats what clients do with queues, as far as sockets let it. */
const SEED = seedOf('HOOFBEAT_FAULTS_SEED');
/** RECEIPTs in queues before and behind a fault. */
export const ENOUGH = 60;
/** Long enough for a machine that does much else: nobody is to be given up. */
const LONG_LEASE_MS = 20_000;
const MOST_TOLD = 20;

export async function startThree(
  t: Test,
  placeOf: (name: string) => Place,
): Promise<readonly [LoadNode, LoadNode, LoadNode]> {
  const start = (name: string): Promise<LoadNode> =>
    LoadNode.start(t, name, { leaseMs: LONG_LEASE_MS, ...placeOf(name) });
  return [await start('a'), await start('b'), await start('c')];
}

/** Users come and go at each node. */
export async function changeGuests(t: Test, nodes: readonly LoadNode[]): Promise<void> {
  await Promise.all(nodes.map((node) => node.changeGuest(t)));
}

/** @param places where queues are used: the nodes, and others that only their clients know */
export async function loadAll(
  t: Test,
  nodes: readonly LoadNode[],
  fault: (queues: QueueLoad) => Promise<void>,
  places: readonly LoadedPlace[] = nodes,
): Promise<QueueLoad> {
  const queues = await QueueLoad.start(t, places, SEED);
  await queues.more(ENOUGH);
  await load(nodes, async () => {
    await fault(queues);
    await queues.more(ENOUGH);
  });
  return queues;
}

/** Nothing that was receipted is lost, nothing comes twice without saying so. Prints figures. */
export async function checkQueues(
  t: Test,
  title: string,
  queues: QueueLoad,
  [node]: readonly LoadNode[],
): Promise<void> {
  if (node === undefined) throw new Error('wants a node');
  const { violations, text } = await queues.finish(node);
  t.comment(`${title}, ${text}`);
  const told = violations.slice(0, MOST_TOLD).map((violation) => `${violation.kind}: ${violation.text}`);
  t.strictSame(told, [], `seed ${SEED}`);
}
