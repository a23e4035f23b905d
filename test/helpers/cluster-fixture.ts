/** Brokers of one cluster over a fake clock: relays, members and connections are memory. */
import type { BrokerOptions, Partially } from '../../broker/index.js';
import type { Authorizer } from '../../broker/ports.js';
import { BrokerFixture } from './broker-fixture.js';
import { FakeClock } from './fake-clock.js';
import { MemoryMembership, type MemoryMembers } from './memory-members.js';
import { MemoryNetwork, type MemoryNodeRelay } from './memory-node-relay.js';

export interface ClusterNode {
  readonly relay: MemoryNodeRelay;
  readonly members: MemoryMembers;
  readonly fixture: BrokerFixture;
}

/** Started, in that order. */
export async function startCluster<const Names extends readonly string[]>(
  nodeIds: Names,
  options: Partially<BrokerOptions> = {},
  authorizer: Authorizer | null = null,
): Promise<{ [K in keyof Names]: ClusterNode }> {
  const [network, membership, clock] = [new MemoryNetwork(), new MemoryMembership(), new FakeClock()];
  const nodes: ClusterNode[] = [];
  for (const nodeId of nodeIds) {
    const [nodeRelay, members] = [network.createRelay(), membership.createMembers(nodeId)];
    const ports = { clock, nodeRelay, members };
    const fixture = new BrokerFixture({ nodeId, ...options }, undefined, 'info', authorizer, ports);
    await fixture.started;
    nodes.push({ relay: nodeRelay, members, fixture });
  }
  return nodes as { [K in keyof Names]: ClusterNode };
}
