import t from 'tap';
import { BrokerError } from '../../../broker/index.js';
import type { RelayProblem } from '../../../broker/ports.js';
import { BrokerFixture } from '../../helpers/broker-fixture.js';
import { MemoryMembership } from '../../helpers/memory-members.js';
import { MemoryNetwork } from '../../helpers/memory-node-relay.js';
import { header } from '../../helpers/server-frames.js';

t.test('a node is a member before it hears the others, and until everything else has stopped', async (t) => {
  const order: string[] = [];
  const [nodeRelay, members] = [new MemoryNetwork().createRelay(), new MemoryMembership().createMembers('x')];
  const [start, stop] = [nodeRelay.start.bind(nodeRelay), nodeRelay.stop.bind(nodeRelay)];
  nodeRelay.start = (events) => {
    order.push(`relay starts, member: ${String(members.isMember)}`);
    return start(events);
  };
  nodeRelay.stop = () => {
    order.push(`relay stops, member: ${String(members.isMember)}`);
    return stop();
  };
  const fixture = new BrokerFixture({}, undefined, 'info', null, { nodeRelay, members });
  await fixture.started;
  const { welcome } = fixture.connect();
  t.ok(header(welcome, 'session'));
  const stopped = fixture.broker.stop();
  await fixture.settle();
  fixture.clock.advance(10_000);
  await stopped;
  t.strictSame(order, ['relay starts, member: true', 'relay stops, member: true']);
  t.notOk(members.isMember);
});

t.test('a node that may not join does not start, and what is wrong later is told by health', async (t) => {
  const membership = new MemoryMembership();
  const refused = membership.createMembers('x');
  refused.start = () => Promise.reject(new BrokerError('node-id-in-use', 'another node is called x'));
  const fixture = new BrokerFixture({}, undefined, 'info', null, {
    nodeRelay: new MemoryNetwork().createRelay(),
    members: refused,
  });
  await t.rejects(fixture.started, { code: 'node-id-in-use' });
  const members = membership.createMembers('y');
  const troubled = new BrokerFixture({}, undefined, 'info', null, {
    nodeRelay: new MemoryNetwork().createRelay(),
    members,
  });
  await troubled.started;
  t.ok(troubled.broker.health().isOk);
  const problem: RelayProblem = { message: 'another node is called y', sinceEpochMs: 5 };
  members.problem = problem;
  t.strictSame(troubled.broker.health(), { isOk: false, problems: [{ part: 'cluster', ...problem }] });
});

t.test('message-ids begin with the name that the cluster knows', async (t) => {
  const members = new MemoryMembership().createMembers('known');
  const nodeRelay = new MemoryNetwork().createRelay();
  const fixture = new BrokerFixture({ nodeId: 'other' }, undefined, 'info', null, { nodeRelay, members });
  await fixture.started;
  const client = fixture.connect();
  client.subscribe('1', '/topic/x');
  client.publish('/topic/x', '');
  t.match(header(client.frames()[0], 'message-id'), /^known-/);
});
