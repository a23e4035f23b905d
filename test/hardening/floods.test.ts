// Too much at once: connections, frames, pings, and frames that make much work.
import t from 'tap';
import { WebSocket } from 'ws';
import type { ServerOptions } from '../../adapters/index.js';
import { openConnected, RawClient } from '../helpers/raw-client.js';
import { encodeFrame, RawWebSocket } from '../helpers/raw-websocket.js';
import { Arena, STRENGTH, type Started } from './arena.js';
import { countOf } from './outcomes.js';

const arena = Arena.open(t);
const group = 'floods';

t.test('connections from one address, TCP', async (t) => {
  const limit = 20;
  const wanted = 60 * STRENGTH;
  const options: ServerOptions = { broker: { quotas: { address: { maxConnections: limit } } } };
  const run = async (target: Started): Promise<string> => {
    const clients = await Promise.all(Array.from({ length: wanted }, () => RawClient.openFor(t, target.tcpPort)));
    const frames = await Promise.all(
      clients.map((client) => {
        client.sendFrame('CONNECT', { 'accept-version': '1.2', host: 'localhost' });
        return client.frame();
      }),
    );
    return countOf(frames.map((frame) => frame.get('code') ?? frame.command));
  };
  const guarded = await arena.serve(t, options);
  const without = await run(await arena.serve(t, {}));
  const attack = { group, name: 'connections of one address, TCP', defence: 'quotas.address.maxConnections' };
  const { outcome } = await arena.attack(t, guarded, attack, () => run(guarded), without);
  t.equal(outcome, `CONNECTED × ${limit}, connection-limit × ${wanted - limit}`);
  t.equal(without, `CONNECTED × ${wanted}`);
});

t.test('connections from one address, WebSocket', async (t) => {
  const limit = 20;
  const wanted = 30 * STRENGTH;
  const run = async (target: Started): Promise<string> => {
    const all = Array.from({ length: wanted }, () => {
      const ws = new WebSocket(`ws://127.0.0.1:${target.httpPort}/ws`);
      t.teardown(() => {
        ws.terminate();
      });
      ws.on('error', () => undefined);
      return new Promise<string>((resolve) => {
        ws.on('open', () => {
          resolve('open');
        });
        ws.on('unexpected-response', (_request, response) => {
          resolve(String(response.statusCode));
        });
      });
    });
    return countOf(await Promise.all(all));
  };
  const guarded = await arena.serve(t, { broker: { quotas: { address: { maxConnections: limit } } } });
  const without = await run(await arena.serve(t, {}));
  const attack = { group, name: 'connections of one address, WebSocket', defence: 'quotas.address.maxConnections' };
  const { outcome } = await arena.attack(t, guarded, attack, () => run(guarded), without);
  t.equal(outcome, `429 × ${wanted - limit}, open × ${limit}`);
  t.equal(without, `open × ${wanted}`);
});

t.test('frames of one session', async (t) => {
  const count = 3_000 * STRENGTH;
  const run = async (target: Started): Promise<string> => {
    const client = await openConnected(t, target.tcpPort);
    void client.send('SEND\ndestination:/topic/flood\n\n\0'.repeat(count));
    client.sendFrame('SEND', { destination: '/topic/flood', receipt: 'last' });
    const frame = await client.frame();
    return frame.get('code') ?? frame.command;
  };
  const guarded = await arena.serve(t, { broker: { quotas: { session: { messagesPerSecond: 500 } } } });
  const without = await run(await arena.serve(t, {}));
  const attack = { group, name: 'frames of one session', defence: 'quotas.session.messagesPerSecond' };
  const { outcome } = await arena.attack(t, guarded, attack, () => run(guarded), without);
  t.equal(outcome, 'rate-limited');
  t.equal(without, 'RECEIPT');
});

t.test('connecting and leaving, over and over', async (t) => {
  const guarded = await arena.serve(t, {});
  const attack = { group, name: 'connecting and leaving, over and over', defence: 'nothing is kept of a session' };
  const rounds = 10 * STRENGTH;
  const { outcome } = await arena.attack(t, guarded, attack, async () => {
    for (let k = 0; k < rounds; k++) {
      const clients = await Promise.all(Array.from({ length: 10 }, () => openConnected(t, guarded.tcpPort)));
      for (const client of clients) client.destroy();
    }
    return `${rounds * 10} connections`;
  });
  t.equal(outcome, `${rounds * 10} connections`);
});

t.test('pings without reading the pongs', async (t) => {
  const target = await arena.serve(t, {});
  const attack = { group, name: 'WebSocket pings', defence: 'websocket-upgrade.ts: MAX_PENDING_PONGS' };
  const { outcome } = await arena.attack(t, target, attack, async () => {
    const client = await RawWebSocket.open(target.httpPort, '/ws');
    t.teardown(() => {
      client.close();
    });
    client.socket.pause();
    const pings = Buffer.concat(
      Array.from({ length: 5_000 }, () => encodeFrame({ opcode: 9, payload: 'p'.repeat(125) })),
    );
    const closed = new Promise<void>((resolve) =>
      client.socket.once('close', () => {
        resolve();
      }),
    );
    const isWritten = (): Promise<boolean> =>
      new Promise((resolve) =>
        client.socket.write(pings, (error) => {
          resolve(error === undefined || error === null);
        }),
      );
    // More than the buffers of two systems take.
    for (let k = 0; k < 100 && !client.socket.destroyed; k++) await Promise.race([closed, isWritten()]);
    return client.socket.destroyed ? 'cut' : 'stays';
  });
  t.equal(outcome, 'cut');
});

/** Frames that cost much each, in one read. */
interface Heavy {
  readonly name: string;
  readonly subscriptions: readonly string[];
  /** What the publisher sends first; default nothing. */
  readonly before?: string;
  readonly frames: string;
  /** So often others are to come in between at least; default 1. */
  readonly turns?: number;
}

/** Of what is one frame: whoever comes behind it waits once in any case. A fast machine needs few turns for all of it. */
const TWICE = 2;
/** As many frames as a transaction may have. */
const TRANSACTION = `BEGIN\ntransaction:t\n\n\0${'SEND\ndestination:/topic/heavy\ntransaction:t\n\n\0'.repeat(1_024)}`;
const LIKES = Array.from({ length: 60 }, (_, k) => `h${k} LIKE '%x_y%z%q'`).join(' OR ');
const WORDS = Array.from({ length: 60 }, (_, k) => `h${k}:${'xay'.repeat(60)}\n`).join('');
const HEAVY: readonly Heavy[] = [
  {
    name: 'deliveries to two thousand subscriptions',
    subscriptions: Array.from({ length: 2_000 }, () => 'destination:/topic/heavy\n'),
    frames: 'SEND\ndestination:/topic/heavy\n\n\0'.repeat(1_000 * STRENGTH),
  },
  {
    name: 'a COMMIT to two thousand subscriptions',
    subscriptions: Array.from({ length: 2_000 }, () => 'destination:/topic/heavy\n'),
    before: TRANSACTION,
    frames: 'COMMIT\ntransaction:t\n\n\0',
    turns: TWICE,
  },
  {
    name: 'a selector that looks through a long queue',
    subscriptions: [],
    before: `SEND\ndestination:/queue/long\n${WORDS}\n\0`.repeat(300 * STRENGTH),
    frames: `SUBSCRIBE\nid:s\ndestination:/queue/long\nselector:${LIKES}\n\n\0`,
    turns: TWICE,
  },
  {
    name: 'NACK of all that is pending',
    subscriptions: [],
    before: `SUBSCRIBE\nid:s\ndestination:/queue/long\nack:client\nprefetch-count:10000\n\n\0${'SEND\ndestination:/queue/long\n\n\0'.repeat(10_000)}`,
    frames: 'NACK\nid:1-10000\nrequeue:false\n\n\0',
    turns: TWICE,
  },
  {
    name: 'selectors that look at much',
    subscriptions: Array.from({ length: 9 }, () => `destination:/topic/heavy\nselector:${LIKES}\n`),
    frames: `SEND\ndestination:/topic/heavy\n${WORDS}\n\0`.repeat(50 * STRENGTH),
  },
  {
    name: 'patterns that every new destination is compared with',
    subscriptions: Array.from({ length: 2_000 }, (_, k) => `destination:/topic/**/*${k}*/**/x/**\n`).slice(0, 380),
    frames: Array.from(
      { length: 20 * STRENGTH },
      (_, k) => `SEND\ndestination:/topic/${'a/'.repeat(100)}n${k}\n\n\0`,
    ).join(''),
  },
];

for (const { name, subscriptions, before = '', frames, turns = 1 } of HEAVY) {
  t.test(`frames that cost much: ${name}`, async (t) => {
    const run = async (target: Started): Promise<string> => {
      const listener = await openConnected(t, target.tcpPort);
      listener.socket.on('data', () => undefined);
      const last = subscriptions.length - 1;
      const subscribe = subscriptions.map(
        (headers, k) => `SUBSCRIBE\nid:${k}\n${headers}${k === last ? 'receipt:ready\n' : ''}\n\0`,
      );
      await listener.send(subscribe.join(''));
      if (subscriptions.length > 0) await listener.receipt('ready');
      const publisher = await openConnected(t, target.tcpPort);
      await publisher.send(`${before}SEND\ndestination:/topic/other\nreceipt:before\n\n\0`);
      while ((await publisher.frame()).command !== 'RECEIPT');
      const { turnsWaited: waitedBefore } = await arena.stats(target);
      await publisher.send(frames);
      publisher.sendFrame('SEND', { destination: '/topic/other', receipt: 'last' });
      while ((await publisher.frame()).command !== 'RECEIPT');
      listener.destroy();
      const { turnsWaited } = await arena.stats(target);
      return turnsWaited - waitedBefore >= turns ? 'has to wait for others' : 'holds up everybody';
    };
    const limits = { maxSubscriptionsPerSession: 2_000 };
    const guarded = await arena.serve(t, { broker: { limits } });
    // Small: everybody else in this process is held up as well.
    const without = await run(await arena.serve(t, { broker: { limits: { ...limits, turnBudgetMs: 3_600_000 } } }));
    const attack = { group, name: `frames that cost much: ${name}`, defence: 'limits.turnBudgetMs' };
    const { outcome } = await arena.attack(t, guarded, attack, () => run(guarded), without);
    t.equal(outcome, 'has to wait for others');
    t.equal(without, 'holds up everybody');
  });
}
