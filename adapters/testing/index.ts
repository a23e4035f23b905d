/**
 * `hoofbeat/testing`: unit tests of `/app` handlers without sockets. A broker over connections in memory, a clock that the
 * test moves, a STOMP client whose calls resolve when their effect is there, and matchers for any test runner.
 *
 *     const test = await createTestBroker({ handlers: registerHandlers });
 *     const ann = await test.connect({ user: 'ann' });
 *     const greetings = await ann.subscribe('/topic/greetings');
 *     await ann.send('/app/hello', { name: 'Ann' });
 *     assertMatch(expectMessage(ann, { subscription: greetings, payload: { content: 'Hello, Ann!' } }));
 */
export {
  assertMatch,
  expectClosed,
  expectError,
  expectMessage,
  expectNoMessage,
  expectPayloads,
  expectReceipt,
  type MatchResult,
  type WantedMessage,
} from './expect.js';
export { MemoryConnection } from './memory-connection.js';
export { ReceivedFrame } from './received-frame.js';
export type { LogLine } from './recorded-log.js';
export {
  createTestBroker,
  type TestBroker,
  type TestBrokerOptions,
  type TestConnectOptions,
  type TestUser,
} from './test-broker.js';
export { ConnectRefusedError, type TestClient, type TestSubscription } from './test-client.js';
export { VirtualClock } from './virtual-clock.js';
