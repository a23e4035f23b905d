/**
 * Conformance C-23, C-24, C-26 to C-31 and C-33 to C-35: heart-beats on a real socket. A witness, one client with the
 * shortest heart-beat, tells how far the server's clock has come, so that what must not happen is looked for late enough.
 */
import t, { type Test } from 'tap';
import { openConnected, RawClient, type Version } from '../helpers/raw-client.js';
import { startTestServer, type TestServer } from '../helpers/server.js';
import type { ServerOptions } from '../../adapters/index.js';

/** Short, but a multiple of the 50 ms that the server's clock ticks in. */
const SMALL = 100;
const LARGE = 600_000;
/** Beats of the witness by which everything due within 2 × SMALL has long happened. */
const ENOUGH_BEATS = 6;

async function startFor(t: Test, sendMs: number, receiveMs: number, more: ServerOptions = {}): Promise<TestServer> {
  const own = await startTestServer({ http: false, ...more, broker: { heartBeat: { sendMs, receiveMs } } });
  t.teardown(() => own.stop());
  return own;
}

async function passTime(t: Test): Promise<void> {
  const own = await startFor(t, SMALL, 0);
  const witness = await openConnected(t, own.tcpPort, '1.2', { 'heart-beat': `0,${SMALL}` });
  await witness.nextHeartBeats(ENOUGH_BEATS);
}

/** By how much this process, which is the server's too, has come too late to its timers. */
function watchLateness(t: Test): { maxMs: number } {
  const everyMs = 10;
  const lateness = { maxMs: 0 };
  let dueMs = performance.now() + everyMs;
  const timer = setInterval(() => {
    const nowMs = performance.now();
    lateness.maxMs = Math.max(lateness.maxMs, Math.ceil(nowMs - dueMs));
    dueMs = nowMs + everyMs;
  }, everyMs);
  t.teardown(() => {
    clearInterval(timer);
  });
  return lateness;
}

t.test('C-23 a missing heart-beat header equals 0,0', async (t) => {
  const own = await startFor(t, SMALL, SMALL);
  const clients: RawClient[] = [];
  for (const version of ['1.1', '1.2'] as const) {
    clients.push(await openConnected(t, own.tcpPort, version));
    clients.push(await openConnected(t, own.tcpPort, version, { 'heart-beat': '0,0' }));
  }
  await passTime(t);
  for (const client of clients) {
    t.equal(client.heartBeats, 0);
    await client.fence();
  }
});

t.test('C-24 each direction is off when either side says 0, else as slow as the slower side', async (t) => {
  const choices = [0, SMALL, LARGE];
  const cases: { what: string; beats: boolean; ends: boolean; client: RawClient }[] = [];
  for (const sx of choices) {
    for (const sy of choices) {
      const own = await startFor(t, sx, sy);
      for (const cx of choices) {
        for (const cy of choices) {
          const client = await openConnected(t, own.tcpPort, '1.2', { 'heart-beat': `${cx},${cy}` });
          const what = `client ${cx},${cy}, server ${sx},${sy}`;
          cases.push({ what, beats: sx === SMALL && cy === SMALL, ends: cx === SMALL && sy === SMALL, client });
        }
      }
    }
  }
  await passTime(t);
  for (const { what, beats, ends, client } of cases) {
    // Where it stood still for so long, the server finds its client silent before its own first heart-beat is due.
    if (!beats || !ends) t.equal(client.heartBeats > 0, beats, `server to client: ${what}`);
    t.equal(client.hasEnded, ends, `client to server: ${what}`);
  }
});

t.test('C-26 a sender side with nothing to send writes one LF within every interval', async (t) => {
  const intervalMs = 1_000;
  const own = await startFor(t, 10, 0);
  const lateness = watchLateness(t);
  const listen = async (version: Version): Promise<void> => {
    const client = await openConnected(t, own.tcpPort, version, { 'heart-beat': `0,${intervalMs}` });
    let lastMs = performance.now();
    for (let k = 1; k <= 2; k++) {
      await client.nextHeartBeats();
      const gapMs = performance.now() - lastMs;
      lastMs += gapMs;
      t.ok(gapMs <= intervalMs + lateness.maxMs, `${Math.round(gapMs)} ms, of which ${lateness.maxMs} may be late`);
      t.ok(gapMs >= intervalMs / 2, 'and not needlessly often');
      t.equal(client.heartBeats, k, 'one LF at a time');
    }
  };
  await Promise.all([listen('1.1'), listen('1.2')]);
});

t.test('C-27 no heart-beat stands inside the octets of a frame', async (t) => {
  const own = await startFor(t, SMALL, 0);
  const client = await openConnected(t, own.tcpPort, '1.2', { 'heart-beat': `0,${SMALL}` });
  await client.subscribe('/topic/c27');
  const body = Buffer.alloc(8 * 1024 * 1024, 'x');
  client.socket.pause();
  client.sendFrame('SEND', { destination: '/topic/c27', 'content-length': String(body.length) }, body);
  client.sendFrame('SEND', { destination: '/topic/c27' }, 'small');
  // Heart-beats fall due while more is on its way than the socket takes.
  await passTime(t);
  client.socket.resume();
  const [large, small] = await client.messages(2);
  t.ok(large?.body.equals(body));
  t.equal(small?.text, 'small');
});

t.test('C-28 every octet counts as a sign of life, those of an unfinished frame as well', async (t) => {
  // Two intervals are more than the half second from which a standstill of the whole process is no silence.
  const intervalMs = 400;
  const own = await startFor(t, 0, SMALL);
  for (const version of ['1.1', '1.2'] as const) {
    const client = await openConnected(t, own.tcpPort, version, { 'heart-beat': `${intervalMs},0` });
    const octets = [...Buffer.from('SEND\ndestination:/topic/c28\nreceipt:done\n\nslow\0')];
    const trickle = setInterval(() => {
      const octet = octets.shift();
      if (octet === undefined) clearInterval(trickle);
      else void client.send(Uint8Array.of(octet));
    }, 50);
    t.teardown(() => clearInterval(trickle));
    // 46 octets in 2,300 ms: almost three times what silence is allowed.
    await client.receipt('done');
    await client.expectError('heart-beat-timeout');
    t.pass('and after the last octet silence counts again');
  }
});

t.test('C-29 a receiver side allows a margin of one interval', async (t) => {
  const intervalMs = 400;
  const own = await startFor(t, 0, SMALL);
  const late = await openConnected(t, own.tcpPort, '1.2', { 'heart-beat': `${intervalMs},0` });
  // One and a half intervals apart, twice: too late for a strict receiver, in time for a lenient one.
  let beats = 0;
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      void late.send('\n');
      if (++beats < 2) return;
      clearInterval(timer);
      resolve();
    }, 1.5 * intervalMs);
  });
  await late.fence();
  const from = performance.now();
  await late.expectError('heart-beat-timeout');
  const silenceMs = performance.now() - from;
  t.ok(silenceMs > 1.5 * intervalMs, `closed after ${Math.round(silenceMs)} ms of silence`);
});

t.test('C-30 a client that falls silent gives back its messages and its transactions', async (t) => {
  const own = await startFor(t, 0, SMALL);
  const watcher = await openConnected(t, own.tcpPort, '1.2');
  await watcher.subscribe('/topic/c30');
  const silent = await openConnected(t, own.tcpPort, '1.2', { 'heart-beat': `${SMALL},0` });
  silent.sendFrame('SUBSCRIBE', { id: 'q', destination: '/queue/c30', ack: 'client-individual' });
  silent.sendFrame('SEND', { destination: '/queue/c30' }, 'work');
  silent.sendFrame('BEGIN', { transaction: 't' });
  silent.sendFrame('SEND', { destination: '/topic/c30', transaction: 't' }, 'never');
  t.equal((await silent.frame('MESSAGE')).text, 'work');
  await silent.expectError('heart-beat-timeout');
  await watcher.fence();
  await watcher.subscribe('/queue/c30', 'q');
  const again = await watcher.frame('MESSAGE');
  t.equal(again.text, 'work');
  t.equal(own.server.broker.stats().closed['heart-beat-timeout'], 1);
});

t.test('C-31 the silence of a client that the server itself does not read is not held against it', async (t) => {
  const own = await startFor(t, 0, SMALL);
  let finish = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    finish = resolve;
  });
  own.server.broker.interceptInbound(async (frame) => {
    if (frame.command === 'SEND') await held;
    return frame;
  });
  const client = await openConnected(t, own.tcpPort, '1.2', { 'heart-beat': `${SMALL},0` });
  client.sendFrame('SEND', { destination: '/topic/c31', receipt: '1' });
  await passTime(t);
  t.notOk(client.hasEnded);
  finish();
  await client.receipt('1');
  await client.expectError('heart-beat-timeout');
  t.pass('once it is read again its silence counts');
});

t.test('C-33 there are no heart-beats in either direction on 1.0', async (t) => {
  const own = await startFor(t, SMALL, SMALL);
  const client = await RawClient.openFor(t, own.tcpPort);
  const connected = await client.connect('1.0', { 'heart-beat': `${SMALL},${SMALL}` });
  t.match(connected.get('heart-beat') ?? '0,0', /^0,0$/);
  await passTime(t);
  t.equal(client.heartBeats, 0);
  await client.fence();
});

t.test('C-34 very large intervals do not fire at once', async (t) => {
  const own = await startFor(t, SMALL, SMALL);
  const clients: RawClient[] = [];
  for (const ms of ['2147483647', '2147483648', '4294967296', '9007199254740991', '999999999999999']) {
    for (const version of ['1.1', '1.2'] satisfies Version[]) {
      const client = await RawClient.openFor(t, own.tcpPort);
      client.sendFrame('CONNECT', { 'accept-version': version, 'heart-beat': `${ms},${ms}` });
      const answer = await client.frame();
      // Sixteen digits are nobody's interval and may be refused, but not misread.
      if (answer.command === 'ERROR') t.equal(answer.get('code'), 'heart-beat-invalid', ms);
      else clients.push(client);
    }
  }
  t.ok(clients.length >= 8);
  await passTime(t);
  for (const client of clients) {
    t.equal(client.heartBeats, 0);
    await client.fence();
  }
});

t.test('C-35 no heart-beat leaves before CONNECTED', async (t) => {
  let admit = (): void => undefined;
  const own = await startTestServer(
    { http: false, broker: { heartBeat: { sendMs: SMALL, receiveMs: SMALL } } },
    {
      authenticator: {
        authenticate: () =>
          new Promise((resolve) => {
            admit = () => {
              resolve({ name: 'late', roles: [] });
            };
          }),
      },
    },
  );
  t.teardown(() => own.stop());
  const client = await RawClient.openFor(t, own.tcpPort);
  client.sendFrame('CONNECT', { 'accept-version': '1.2', 'heart-beat': `0,${SMALL}` });
  await passTime(t);
  t.same([client.heartBeats, client.unread, client.hasEnded], [0, 0, false]);
  admit();
  await client.frame('CONNECTED');
  await client.nextHeartBeats();
});
