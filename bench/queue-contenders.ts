/** Who takes part in the benches of queues: hoofbeat, and RabbitMQ's two kinds of durable queue where it is installed. */
import path from 'node:path';
import { QueueClient } from './queue-client.js';
import type { BrokerProcess } from './servers/broker-process.js';
import { startHoofbeat } from './servers/hoofbeat-process.js';
import { hasRabbitMq, startRabbitMq } from './servers/rabbitmq-process.js';

export interface Contender {
  readonly name: string;
  readonly broker: BrokerProcess;
  /** False where every message is stored, whatever its sender says. */
  readonly hasMemoryQueues: boolean;
  /** Makes sure that a queue is there; returns the destination to send to and to consume from. */
  declare(queue: string): Promise<string>;
}

/**
 * hoofbeat first.
 * @param directory for the data of all, on the disk to be measured
 * @param nodeArguments in front of hoofbeat's script
 */
export async function startContenders(
  directory: string,
  withPeers: boolean,
  nodeArguments: readonly string[] = [],
): Promise<Contender[]> {
  const hoofbeat = await startHoofbeat(path.join(directory, 'hoofbeat'), nodeArguments);
  // Queues come into being with the first SEND.
  const declare = (queue: string): Promise<string> => Promise.resolve(`/queue/${queue}`);
  const contenders = [{ name: 'hoofbeat', broker: hoofbeat, hasMemoryQueues: true, declare }];
  if (!withPeers || !hasRabbitMq()) return contenders;
  const rabbitMq = await startRabbitMq(path.join(directory, 'rabbitmq'));
  contenders.push({ name: 'RabbitMQ classic', broker: rabbitMq, hasMemoryQueues: true, declare });
  const declareQuorum = (queue: string): Promise<string> => declareQuorumQueue(rabbitMq, `quorum-${queue}`);
  contenders.push({ name: 'RabbitMQ quorum', broker: rabbitMq, hasMemoryQueues: false, declare: declareQuorum });
  return contenders;
}

/** What CONNECTED says, and what was set. */
export async function describeContender({ name, broker }: Contender): Promise<string> {
  const client = await QueueClient.open(broker.port);
  client.close();
  return `${name}: ${client.server}, ${broker.settings}`;
}

export async function stopContenders(contenders: readonly Contender[]): Promise<void> {
  for (const broker of new Set(contenders.map((contender) => contender.broker))) await broker.stop();
}

/** Subscribing declares it; sending to `/queue/…` would declare it anew, as a classic one. */
async function declareQuorumQueue(broker: BrokerProcess, queue: string): Promise<string> {
  const client = await QueueClient.open(broker.port);
  const headers = `destination:/queue/${queue}\nx-queue-type:quorum\ndurable:true\nauto-delete:false`;
  await client.request(`SUBSCRIBE\nid:s\n${headers}\nreceipt:subscribed\n\n\0`);
  await client.request(`UNSUBSCRIBE\nid:s\nreceipt:unsubscribed\n\n\0`);
  client.close();
  return `/amq/queue/${queue}`;
}
