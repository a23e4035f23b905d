// Frames made to hurt: too large, lying about their length, inflating, or with something hidden in their headers.
import t from 'tap';
import type { ServerOptions } from '../../adapters/index.js';
import { openConnected, RawClient, VERSIONS } from '../helpers/raw-client.js';
import { WebSocketClient } from '../helpers/websocket-client.js';
import { Arena, type Started } from './arena.js';

const arena = Arena.open(t);
const group = 'frames';
const MIB = 2 ** 20;
const PLAIN = 'CONNECT\naccept-version:1.2\nhost:localhost\n';
const FENCE = 'SEND\ndestination:/topic/a\nreceipt:last\n\n\0';

interface Large {
  readonly name: string;
  readonly code: string;
  readonly defence: string;
  /** Null: no option turns it off. */
  readonly without: ServerOptions | null;
  /** Before CONNECTED: the whole CONNECT. */
  readonly connect?: string;
  readonly frames?: string;
}

const before = (limits: object): ServerOptions => ({ broker: { limits: { beforeConnected: limits } } });
const after = (limits: object): ServerOptions => ({ broker: { limits: { frame: limits } } });
const lines = (count: number): string => 'x:y\n'.repeat(count);

const LARGE: readonly Large[] = [
  {
    name: 'CONNECT with ten thousand headers',
    code: 'headers-too-many',
    defence: 'limits.beforeConnected.maxHeaders',
    without: before({ maxHeaders: 20_000 }),
    connect: `${PLAIN}${lines(10_000)}\n\0`,
  },
  {
    name: 'CONNECT with a header of a megabyte',
    code: 'header-too-long',
    defence: 'limits.beforeConnected.maxHeaderLineBytes',
    without: before({ maxHeaderLineBytes: 2 * MIB }),
    connect: `${PLAIN}x:${'y'.repeat(MIB)}\n\n\0`,
  },
  {
    name: 'SEND with ten thousand headers',
    code: 'headers-too-many',
    defence: 'limits.frame.maxHeaders',
    without: after({ maxHeaders: 20_000 }),
    frames: `SEND\ndestination:/topic/a\n${lines(10_000)}\n\0`,
  },
  {
    name: 'SEND with a header of a megabyte',
    code: 'header-too-long',
    defence: 'limits.frame.maxHeaderLineBytes',
    without: after({ maxHeaderLineBytes: 2 * MIB }),
    frames: `SEND\ndestination:/topic/a\nx:${'y'.repeat(MIB)}\n\n\0`,
  },
  {
    name: 'a body that content-length announces, beyond the limit',
    code: 'body-too-long',
    defence: 'limits.frame.maxBodyBytes',
    without: after({ maxBodyBytes: 64 * MIB }),
    frames: `SEND\ndestination:/topic/a\ncontent-length:${20 * MIB}\n\n${'x'.repeat(20 * MIB)}\0`,
  },
  {
    name: 'a body without end and without content-length',
    code: 'body-too-long',
    defence: 'limits.frame.maxBodyBytes',
    without: after({ maxBodyBytes: 64 * MIB }),
    frames: `SEND\ndestination:/topic/a\n\n${'x'.repeat(20 * MIB)}\0`,
  },
  {
    name: 'content-length of a million gigabytes',
    code: 'body-too-long',
    defence: 'limits.frame.maxBodyBytes',
    without: null,
    frames: 'SEND\ndestination:/topic/a\ncontent-length:999999999999999\n\nx',
  },
  ...['-1', '1e9', '0x10', '9'.repeat(400), '1 2', ''].map((length) => ({
    name: `content-length ${JSON.stringify(length.slice(0, 8))}`,
    code: 'content-length-invalid',
    defence: 'protocol/frame-parser.ts',
    without: null,
    frames: `SEND\ndestination:/topic/a\ncontent-length:${length}\n\nx\0`,
  })),
  {
    name: 'content-length that hides a second frame',
    code: 'content-length-mismatch',
    defence: 'protocol/frame-parser.ts',
    without: null,
    frames: `SEND\ndestination:/topic/a\ncontent-length:3\n\nabcdef\0${FENCE}`,
  },
  {
    name: 'a destination of a megabyte',
    code: 'destination-invalid',
    defence: 'destinations.maxLengthBytes',
    without: {
      broker: { destinations: { maxLengthBytes: 2 * MIB }, limits: { frame: { maxHeaderLineBytes: 2 * MIB } } },
    },
    frames: `SEND\ndestination:/topic/${'a'.repeat(15_000)}\n\n\0`,
  },
];

for (const { name, code, defence, without: raised, connect = `${PLAIN}\n\0`, frames = '' } of LARGE) {
  t.test(name, async (t) => {
    const run = async (target: Started): Promise<string> => {
      const client = await RawClient.openFor(t, target.tcpPort);
      client.socket.on('error', () => undefined);
      void client.send(connect + frames + FENCE);
      let frame = await client.frame();
      if (frame.command === 'CONNECTED') frame = await client.frame();
      return frame.get('code') ?? frame.command;
    };
    const guarded = await arena.serve(t, {});
    const without = raised === null ? undefined : await run(await arena.serve(t, raised));
    const row = await arena.attack(t, guarded, { group, name, defence }, () => run(guarded), without);
    t.equal(row.outcome, code);
    if (without !== undefined) t.equal(without, 'RECEIPT');
    t.ok(row.grownMiB < 100, 'memory stays within bounds');
  });
}

t.test('a compression bomb', async (t) => {
  const bomb = Buffer.alloc(32 * MIB, 'x');
  const run = async (target: Started): Promise<string> => {
    const url = `ws://127.0.0.1:${target.httpPort}/ws`;
    const client = await WebSocketClient.open(url, { perMessageDeflate: { threshold: 0 } });
    t.teardown(() => {
      client.close();
    });
    client.send(`${PLAIN}\n\0`);
    await client.next('CONNECTED');
    client.ws.send(Buffer.concat([Buffer.from('SEND\ndestination:/topic/a\nreceipt:last\n\n'), bomb, Buffer.alloc(1)]));
    const receipt = client.next('RECEIPT').then(() => 'inflated');
    receipt.catch(() => undefined);
    return Promise.race([receipt, client.closed.then(({ code }) => `closed with ${code}`)]);
  };
  const endpoints = [{ path: '/ws', compression: true }];
  const options = (maxBodyBytes: number): ServerOptions => ({
    http: { endpoints },
    broker: { limits: { frame: { maxBodyBytes } } },
  });
  const guarded = await arena.serve(t, options(MIB));
  const without = await run(await arena.serve(t, options(64 * MIB)));
  const attack = { group, name: 'a compression bomb', defence: 'ws maxPayload, of limits.frame.maxBodyBytes' };
  const { outcome, grownMiB } = await arena.attack(t, guarded, attack, () => run(guarded), without);
  t.equal(outcome, 'closed with 1009');
  t.equal(without, 'inflated');
  t.ok(grownMiB < 32, 'what is inflated is not kept');
});

t.test('a message in more fragments than anybody needs', async (t) => {
  const target = await arena.serve(t, {});
  const attack = { group, name: 'a message of endless fragments', defence: 'websocket-upgrade.ts: maxPayload' };
  const { outcome, grownMiB } = await arena.attack(t, target, attack, async () => {
    const client = await WebSocketClient.open(`ws://127.0.0.1:${target.httpPort}/ws`);
    t.teardown(() => {
      client.close();
    });
    client.send(`${PLAIN}\n\0`);
    await client.next('CONNECTED');
    // Empty fragments are no octets, so only their number bounds them.
    client.ws.send('SEND\n', { fin: false });
    for (let k = 0; k < 200_000 && client.ws.readyState === client.ws.OPEN; k++) client.ws.send('', { fin: false });
    const { code } = await client.closed;
    return `closed with ${code}`;
  });
  t.match(outcome, /^closed with (1008|1009|1002|1006)$/);
  t.ok(grownMiB < 100);
});

t.test('headers that a version cannot write are no headers of another', async (t) => {
  const target = await arena.serve(t, {});
  // What the sender writes, by version; a reader must never find a header or a frame in it.
  const hostile: Readonly<Record<string, readonly string[]>> = {
    '1.0': ['a\\nforged:yes', 'a\\cb', 'a\\\\nforged:yes', 'a:b:c', ' forged:yes'],
    '1.1': ['a\\nforged\\cyes', 'a\\c b', 'a\\\\nforged\\cyes', 'a\\n\\nbody'],
    '1.2': ['a\\nforged\\cyes', 'a\\r\\nforged\\cyes', 'a\\n\\n\\\\0', 'a\\\\nforged\\cyes', 'a\\n\\nSEND\\n'],
  };
  const attack = { group, name: 'header injection between versions', defence: 'protocol/header-escape.ts' };
  const { outcome } = await arena.attack(t, target, attack, async () => {
    let pairs = 0;
    for (const from of VERSIONS) {
      const sender = await openConnected(t, target.tcpPort, from);
      for (const to of VERSIONS) {
        const reader = await openConnected(t, target.tcpPort, to);
        await reader.subscribe('/topic/versions', '0');
        for (const value of hostile[from] ?? []) {
          await sender.send(`SEND\ndestination:/topic/versions\nx:${value}\nend:here\n\nbody\0`);
          const message = await reader.frame('MESSAGE');
          const names = message.raw.map(([name]) => name);
          t.notOk(names.includes('forged'), `${from} to ${to}: ${value}`);
          t.equal(names.filter((name) => name === 'end').length, 1);
          t.equal(message.text, 'body');
          pairs++;
        }
        t.equal(reader.unread, 0);
        reader.destroy();
      }
    }
    return `${pairs} messages, none with a header of its own making`;
  });
  t.match(outcome, /^42 /);
});

const NAMES = ['__proto__', 'constructor', 'prototype', 'hasOwnProperty', 'toString', 'valueOf', '__defineGetter__'];

t.test('names that objects have already', async (t) => {
  const target = await arena.serve(t, {});
  const attack = {
    group,
    name: 'prototype-named headers, ids and destinations',
    defence: 'headers and tables are Maps',
  };
  const { outcome } = await arena.attack(t, target, attack, async () => {
    const client = await openConnected(t, target.tcpPort);
    for (const name of NAMES) {
      await client.subscribe(`/topic/${name}`, name);
      client.sendFrame('BEGIN', { transaction: name });
      const headers = NAMES.map((each) => `${each}:of ${each}\n`).join('');
      await client.send(`SEND\ndestination:/topic/${name}\ntransaction:${name}\n${headers}\n\0`);
      client.sendFrame('COMMIT', { transaction: name });
      const message = await client.frame('MESSAGE');
      for (const each of NAMES) t.equal(message.get(each), `of ${each}`);
      t.equal(message.get('subscription'), name);
      client.sendFrame('UNSUBSCRIBE', { id: name, receipt: name });
      await client.receipt(name);
      client.sendFrame('SEND', { destination: `/app/${name}`, receipt: `app ${name}` });
      await client.receipt(`app ${name}`);
    }
    await client.fence();
    return 'as any other name';
  });
  t.equal(outcome, 'as any other name');
});
