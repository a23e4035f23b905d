// What one turn of the event loop writes, and what waits for the next.
import t from 'tap';
import { DirtyOutboxes } from '../../broker/dirty-outboxes.js';
import type { Outbox } from '../../broker/outbox.js';
import { BrokerFixture, type FixtureClient } from '../helpers/broker-fixture.js';
import { SteppingClock } from '../helpers/stepping-clock.js';

/** Told apart by their numbers: nothing else of them is looked at. */
const outboxes = (from: number, to: number): Outbox[] =>
  Array.from({ length: to - from }, (_, k) => ({ queuedBytes: from + k }) as unknown as Outbox);

/** @returns what each of the turns wrote, until nothing is left */
function turnsOf(dirty: DirtyOutboxes, clock: SteppingClock, between: () => void = () => undefined): number[][] {
  const turns: number[][] = [];
  for (let isMore = true; isMore;) {
    const written: number[] = [];
    isMore = dirty.write(clock.nowMs(), ({ queuedBytes }) => {
      written.push(queuedBytes);
    });
    turns.push(written);
    between();
  }
  return turns;
}

t.test('a turn writes until its budget is spent, and the next one goes on', (t) => {
  const clock = new SteppingClock();
  const dirty = new DirtyOutboxes(clock, 1);
  for (const outbox of outboxes(0, 1_000)) dirty.add(outbox);
  const turns = turnsOf(dirty, clock);
  t.strictSame(
    turns.flat(),
    Array.from({ length: 1_000 }, (_, k) => k),
  );
  t.ok(turns.length > 5);
  const patient = new DirtyOutboxes(clock, 1_000);
  for (const outbox of outboxes(0, 1_000)) patient.add(outbox);
  t.equal(turnsOf(patient, clock).length, 1);
  t.end();
});

t.test('who is dirty since then has not to wait for all of them, nor they for ever', (t) => {
  const clock = new SteppingClock();
  const dirty = new DirtyOutboxes(clock, 1);
  for (const outbox of outboxes(0, 10_000)) dirty.add(outbox);
  let added = 10_000;
  const turns = turnsOf(dirty, clock, () => {
    // More than a turn takes, each time.
    if (added === 50_000) return;
    for (const outbox of outboxes(added, added + 100)) dirty.add(outbox);
    added += 100;
  });
  t.ok(turns[1]?.includes(10_000), 'in the next turn');
  const all = turns.flat();
  t.equal(all.length, 50_000);
  t.equal(new Set(all).size, 50_000, 'each once');
  const lastOfFirst = turns.findIndex((written) => written.includes(9_999));
  t.ok(lastOfFirst < turns.findIndex((written) => written.includes(49_999)));
  t.end();
});

t.test('a message to many subscribers leaves in portions, and all get everything in order', (t) => {
  const clock = new SteppingClock();
  const fixture = new BrokerFixture({ limits: { turnBudgetMs: 1 } }, undefined, undefined, null, { clock });
  const clients: FixtureClient[] = Array.from({ length: 300 }, () => fixture.connect());
  for (const client of clients) client.subscribe('s', '/topic/a');
  const [sender, other] = [fixture.connect(), fixture.connect()];
  clock.turn();
  for (const client of [...clients, other]) client.frames();
  // To look into frames would end all turns.
  const writes = ({ connection }: FixtureClient): number => connection.parts.length;
  const before = clients.map(writes);
  const answersBefore = writes(other);
  sender.publish('/topic/a', 'one');
  clock.step();
  const served = clients.filter((client, k) => writes(client) > (before[k] ?? 0)).length;
  t.ok(served > 0 && served < 200, `${served} of 300 in the first turn`);
  other.send('SEND\ndestination:/topic/b\nreceipt:r\n\n\0');
  for (let k = 0; k < 2; k++) clock.step();
  t.equal(writes(other), answersBefore + 1, 'has its RECEIPT');
  t.equal(writes(clients[298] as FixtureClient), before[298], 'the last of them have nothing yet');
  sender.publish('/topic/a', 'two');
  clients[299]?.connection.vanish();
  clock.turn();
  t.strictSame(new Set(clients.slice(0, 299).map((client) => client.bodies().join())), new Set(['one,two']));
  t.end();
});
