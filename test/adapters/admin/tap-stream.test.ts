/** Taps over HTTP: what is read line by line, and what becomes of those who read slowly or go away. */
import t, { type Test } from 'tap';
import { startAdmin, TOKENS, type TestAdmin } from '../../helpers/admin.js';
import { RawClient } from '../../helpers/raw-client.js';
import { until } from '../../helpers/until.js';

interface Lines {
  /** The next line. */
  next(): Promise<Record<string, unknown>>;
  readonly isOver: () => Promise<boolean>;
  stop(): void;
}

async function openTap(t: Test, { origin }: TestAdmin, query = ''): Promise<Lines> {
  const aborting = new AbortController();
  const response = await fetch(`${origin}/api/v1/tap${query}`, {
    headers: { authorization: `Bearer ${TOKENS.operator}` },
    signal: aborting.signal,
  });
  t.match(response.headers.get('content-type'), /^application\/x-ndjson/);
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  let text = '';
  t.teardown(() => {
    aborting.abort();
  });
  return {
    next: async () => {
      while (!text.includes('\n')) {
        const { value, done } = await reader.read();
        if (done) throw new Error('the tap has ended');
        text += Buffer.from(value).toString();
      }
      const end = text.indexOf('\n');
      const line = text.slice(0, end);
      text = text.slice(end + 1);
      return JSON.parse(line) as Record<string, unknown>;
    },
    isOver: () => reader.read().then(({ done }) => done),
    stop: () => {
      aborting.abort();
    },
  };
}

t.test('a tap shows frames until its reader goes, and is in the audit log', async (t) => {
  const admin = await startAdmin(t);
  const { operations } = admin.server.broker;
  const tap = await openTap(t, admin, '?destination=/topic/**&bodyBytes=4');
  t.match(await tap.next(), { type: 'tap', node: admin.server.broker.cluster.nodeId });
  const client = await RawClient.openFor(t, admin.tcpPort);
  await client.connect();
  await client.subscribe('/topic/t');
  client.sendFrame('SEND', { destination: '/topic/t', token: 'geheim' }, 'añb€');
  t.match(await tap.next(), { type: 'frame', number: 1, direction: 'in', command: 'SUBSCRIBE', transport: 'tcp' });
  t.match(await tap.next(), {
    number: 2,
    direction: 'in',
    command: 'SEND',
    headers: [
      ['destination', '/topic/t'],
      ['token', '***'],
    ],
    body: 'añb',
    encoding: 'utf8',
    bodyBytes: 7,
    isCut: true,
  });
  t.match(await tap.next(), { number: 3, direction: 'out', command: 'MESSAGE', body: 'añb' });
  t.equal(operations.tapCount, 1);
  tap.stop();
  await until('no tap', () => operations.tapCount === 0);
  t.match((await admin.ask('GET', '/audit')).body, {
    items: [{ actor: 'the operator', operation: 'tapFrames', subject: { destination: '/topic/**' }, outcome: 'done' }],
  });
});

t.test('frames over the rate are counted in a line of their own; octets that are no text are base64', async (t) => {
  const admin = await startAdmin(t);
  const client = await RawClient.openFor(t, admin.tcpPort);
  await client.connect();
  const tap = await openTap(t, admin, '?perSecond=1&command=SEND');
  await tap.next();
  for (let k = 0; k < 5; k++) client.sendFrame('SEND', { destination: '/topic/t' }, Buffer.from([0xff, k + 1]));
  t.match(await tap.next(), { number: 1, body: Buffer.from([0xff, 1]).toString('base64'), encoding: 'base64' });
  t.match(await tap.next(), { type: 'missed', count: 4 });
});

t.test('a tap ends after as many frames as were asked for', async (t) => {
  const admin = await startAdmin(t);
  const tap = await openTap(t, admin, '?count=1');
  await tap.next();
  const client = await RawClient.openFor(t, admin.tcpPort);
  await client.connect();
  t.match(await tap.next(), { number: 1, command: 'CONNECT' });
  t.equal(await tap.isOver(), true);
  await until('no tap', () => admin.server.broker.operations.tapCount === 0);
});

t.test('so many taps at once and no more', async (t) => {
  const admin = await startAdmin(t);
  for (let k = 0; k < 8; k++) await (await openTap(t, admin)).next();
  const answer = await admin.ask('GET', '/tap');
  t.equal(answer.status, 503);
  t.match(answer.body, { code: 'too-busy', detail: /8 taps/ });
  t.match((await admin.ask('GET', '/tap?destination=/topic/{x:(a)}')).status, 503);
});

t.test('who reads slowly is told how much went by, and holds nobody up', async (t) => {
  const admin = await startAdmin(t);
  const client = await RawClient.openFor(t, admin.tcpPort);
  await client.connect();
  const tap = await openTap(t, admin, '?perSecond=5000&bodyBytes=16384&destination=/topic/t');
  await tap.next();
  // Not read meanwhile: sockets hold some megabytes, the tap one, the rest goes by.
  for (let k = 0; k < 2_000; k++) client.sendFrame('SEND', { destination: '/topic/t' }, 'x'.repeat(16_000));
  await client.fence();
  let shown = 0;
  let missed = 0;
  while (shown + missed < 2_000) {
    const line = await tap.next();
    if (line['type'] === 'frame') shown++;
    if (line['type'] === 'missed') missed += Number(line['count']);
  }
  t.ok(missed > 0, `${missed} of 2,000 went by`);
  t.equal(shown + missed, 2_000);
});

t.test('a server that stops ends its taps, on a shared port too', async (t) => {
  for (const port of [0, 'http'] as const) {
    const admin = await startAdmin(t, { port });
    const tap = await openTap(t, admin);
    await tap.next();
    await admin.server.stop();
    await t.rejects(tap.isOver());
  }
});
