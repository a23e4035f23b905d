/** Matchers: when they pass, and that a failed one says what came instead. */
import { AssertionError } from 'node:assert';
import t from 'tap';
import {
  assertMatch,
  createTestBroker,
  expectClosed,
  expectError,
  expectMessage,
  expectNoMessage,
  expectPayloads,
  expectReceipt,
} from '../../../adapters/testing/index.js';

const test = await createTestBroker();
const ann = await test.connect();
const prices = await ann.subscribe('/topic/prices');
const other = await ann.subscribe('/topic/other');
await ann.send('/topic/prices', { oats: 3 }, { receipt: 'r-1', market: 'north' });

t.test('a message matches by what is named and by nothing else', async (t) => {
  for (const wanted of [
    {},
    { payload: { oats: 3 } },
    { destination: '/topic/prices', headers: { market: 'north' } },
    { subscription: prices, payload: (payload: unknown) => (payload as { oats: number }).oats > 2 },
  ]) {
    t.ok(expectMessage(ann, wanted).pass);
    t.notOk(expectNoMessage(ann, wanted).pass);
  }
  for (const wanted of [
    { payload: { oats: 4 } },
    { payload: undefined },
    { payload: () => 'truthy' },
    { destination: '/topic/other' },
    { subscription: other },
    { headers: { market: 'south' } },
  ]) {
    t.notOk(expectMessage(ann, wanted).pass);
    t.ok(expectNoMessage(ann, wanted).pass);
  }
});

t.test('a failed match says what was wanted and what came', async (t) => {
  const { message, actual, expected } = expectMessage(ann, { destination: '/topic/hay', payload: 1 });
  t.match(message, /^did not receive a message to \/topic\/hay with payload 1; received MESSAGE .*oats/);
  t.strictSame(actual, [{ destination: '/topic/prices', payload: { oats: 3 } }]);
  t.match(expected, { destination: '/topic/hay', payload: 1 });
  t.match(expectNoMessage(ann).message, /^received 1 message\(s\) of any kind: MESSAGE/);
  t.match(expectPayloads(ann, prices, []).message, 'payloads on /topic/prices: [{"oats":3}], wanted []');
  t.match(expectError(ann, 'access-denied').message, 'wanted ERROR access-denied; received nothing');
  t.match(expectReceipt(ann, 'r-2').message, 'wanted RECEIPT r-2; received ["r-1"]');
  t.match(expectClosed(ann).message, 'closed with nothing: open, wanted any reason');
});

t.test('receipts, errors and the end match', async (t) => {
  const bob = await test.connect();
  t.ok(expectReceipt(ann, 'r-1').pass);
  t.notOk(expectClosed(bob).pass);
  await bob.frame('CONNECT', { 'accept-version': '1.2', host: 'test' });
  t.ok(expectError(bob).pass);
  t.ok(expectError(bob, 'already-connected').pass);
  t.notOk(expectError(bob, 'access-denied').pass);
  t.ok(expectClosed(bob).pass);
  t.notOk(expectClosed(bob, 'heart-beat-timeout').pass);
});

t.test('assertMatch throws what test runners know how to show', async (t) => {
  assertMatch(expectMessage(ann, { payload: { oats: 3 } }));
  const failed = expectMessage(ann, { payload: { oats: 4 } });
  t.throws(() => assertMatch(failed), AssertionError);
  t.throws(() => assertMatch(failed), { message: failed.message, expected: failed.expected });
});
