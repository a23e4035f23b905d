// Clients that keep to the protocol and give nothing back: that never read, never acknowledge, never end.
import t from 'tap';
import type { ServerOptions } from '../../adapters/index.js';
import { openConnected } from '../helpers/raw-client.js';
import { inTime } from '../helpers/inbox.js';
import { until } from '../helpers/until.js';
import { Arena, STRENGTH, type Started } from './arena.js';

const arena = Arena.open(t);
const group = 'clients';
const small = { outbox: { highWaterBytes: 65_536, softLimitBytes: 131_072, hardLimitBytes: 262_144 } };
const large = { outbox: { softLimitBytes: 2 ** 30, hardLimitBytes: 2 ** 31, softLimitMs: 3_600_000 } };

/** Slow consumers that were cut, once the publisher has the RECEIPT of its last message. */
async function slowConsumers(target: Started): Promise<string> {
  const { closed } = await arena.stats(target);
  return closed['slow-consumer'] > 0 ? 'cut as slow-consumer' : 'stays';
}

t.test('a client that never reads', async (t) => {
  const body = 'x'.repeat(10_000);
  const run = async (target: Started): Promise<string> => {
    const reader = await openConnected(t, target.tcpPort);
    await reader.subscribe('/topic/all');
    reader.socket.pause();
    const publisher = await openConnected(t, target.tcpPort);
    for (let k = 0; k < 2_000; k++) publisher.sendFrame('SEND', { destination: '/topic/all' }, body);
    await publisher.fence();
    return slowConsumers(target);
  };
  const guarded = await arena.serve(t, { broker: small });
  const without = await run(await arena.serve(t, { broker: large }));
  const attack = { group, name: 'a client that never reads', defence: 'outbox.hardLimitBytes' };
  const { outcome } = await arena.attack(t, guarded, attack, () => run(guarded), without);
  t.equal(outcome, 'cut as slow-consumer');
  t.equal(without, 'stays');
});

t.test('receipts that are never collected', async (t) => {
  const run = async (target: Started): Promise<string> => {
    const client = await openConnected(t, target.tcpPort);
    client.socket.pause();
    const id = 'r'.repeat(4_000);
    const frames = `SEND\ndestination:/topic/a\nreceipt:${id}\n\n\0`.repeat(4_000);
    void client.send(frames);
    // Without the limit everything is taken and kept; with it the connection breaks.
    client.socket.on('error', () => undefined);
    await until('all to be taken, or it to be cut', async () => {
      const { framesIn } = await arena.stats(target);
      return framesIn > 4_000 || (await slowConsumers(target)) !== 'stays';
    });
    client.destroy();
    return slowConsumers(target);
  };
  const guarded = await arena.serve(t, { broker: small });
  const without = await run(await arena.serve(t, { broker: large }));
  const attack = { group, name: 'receipts never collected', defence: 'outbox.hardLimitBytes' };
  const { outcome } = await arena.attack(t, guarded, attack, () => run(guarded), without);
  t.equal(outcome, 'cut as slow-consumer');
  t.equal(without, 'stays');
});

t.test('messages that are never acknowledged', async (t) => {
  const run = async (target: Started): Promise<string> => {
    const client = await openConnected(t, target.tcpPort);
    await client.subscribe('/queue/work', '0', { ack: 'client' });
    const publisher = await openConnected(t, target.tcpPort);
    await publisher.send('SEND\ndestination:/queue/work\n\n\0'.repeat(500));
    await publisher.fence();
    client.sendFrame('SEND', { destination: '/topic/fence', receipt: 'end' });
    let messages = 0;
    for (let frame = await client.frame(); frame.command === 'MESSAGE'; frame = await client.frame()) messages++;
    return `${messages} pending`;
  };
  const guarded = await arena.serve(t, { broker: { limits: { maxPendingAcks: 50 } } });
  const without = await run(await arena.serve(t, {}));
  const attack = { group, name: 'messages never acknowledged', defence: 'limits.maxPendingAcks' };
  const { outcome } = await arena.attack(t, guarded, attack, () => run(guarded), without);
  t.equal(outcome, '50 pending');
  t.equal(without, '500 pending');
});

interface Endless {
  readonly name: string;
  readonly defence: string;
  readonly without: ServerOptions;
  readonly frames: string;
}

const BEGIN = 'BEGIN\ntransaction:t\n\n\0';
const SEND = 'SEND\ndestination:/topic/a\ntransaction:t\n';
const TRANSACTIONS: readonly Endless[] = [
  {
    name: 'transactions that are begun and never ended',
    defence: 'limits.maxTransactionsPerSession',
    without: { broker: { limits: { maxTransactionsPerSession: 1_000_000 } } },
    frames: Array.from({ length: 100 * STRENGTH }, (_, k) => `BEGIN\ntransaction:t${k}\n\n\0`).join(''),
  },
  {
    name: 'a transaction of too many frames',
    defence: 'limits.maxTransactionFrames',
    without: { broker: { limits: { maxTransactionFrames: 1_000_000 } } },
    frames: BEGIN + `${SEND}\n\0`.repeat(2_000),
  },
  {
    name: 'a transaction of too many octets',
    defence: 'limits.maxTransactionBytes',
    without: { broker: { limits: { maxTransactionBytes: 2 ** 30 } } },
    frames: BEGIN + `${SEND}\n${'x'.repeat(1_000_000)}\0`.repeat(20),
  },
];

for (const { name, defence, without: raised, frames } of TRANSACTIONS) {
  t.test(name, async (t) => {
    const run = async (target: Started): Promise<string> => {
      const client = await openConnected(t, target.tcpPort);
      void client.send(frames);
      client.sendFrame('SEND', { destination: '/topic/a', receipt: 'last' });
      const frame = await client.frame();
      return frame.get('code') ?? frame.command;
    };
    const guarded = await arena.serve(t, {});
    const without = await run(await arena.serve(t, raised));
    const { outcome } = await arena.attack(t, guarded, { group, name, defence }, () => run(guarded), without);
    t.equal(outcome, 'limit-exceeded');
    t.equal(without, 'RECEIPT');
  });
}

t.test('a client that promises heart-beats and keeps silent', async (t) => {
  const connect = (target: Started) => openConnected(t, target.tcpPort, '1.2', { 'heart-beat': '100,0' });
  const beats = (receiveMs: number): ServerOptions => ({
    broker: { heartBeat: { receiveMs }, limits: { lingerMs: 200 } },
  });
  const guarded = await arena.serve(t, beats(100));
  const twin = await connect(await arena.serve(t, beats(0)));
  const attack = { group, name: 'heart-beats promised and not sent', defence: 'heartBeat.receiveMs' };
  const { outcome } = await arena.attack(
    t,
    guarded,
    attack,
    async () => {
      const liars = await Promise.all(Array.from({ length: 20 * STRENGTH }, () => connect(guarded)));
      const errors = await Promise.all(liars.map((liar) => inTime(liar.expectError('heart-beat-timeout'), 'an end')));
      return `${errors.length} of ${liars.length} cut`;
    },
    'stays',
  );
  t.equal(outcome, `${20 * STRENGTH} of ${20 * STRENGTH} cut`);
  t.equal(twin.hasEnded, false);
});
