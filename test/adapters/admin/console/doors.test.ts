/** The console's two STOMP endpoints: who gets in, and as whom. */
import t, { type Test } from 'tap';
import { WebSocket } from 'ws';
import { startAdmin, type TestAdmin, type TestRole, TOKENS } from '../../../helpers/admin.js';
import { Inbox, inTime } from '../../../helpers/inbox.js';
import { freePort } from '../../../helpers/redis-process.js';
import { frame, parseFrame, type TextFrame } from '../../../helpers/stomp-text.js';

interface Door {
  readonly frames: Inbox<TextFrame>;
  readonly send: (...octets: readonly string[]) => void;
}

async function open(t: Test, { origin }: TestAdmin, name: 'live' | 'try', from = origin): Promise<Door> {
  const socket = new WebSocket(`${origin.replace('http', 'ws')}/console/${name}`, 'v12.stomp', { origin: from });
  t.teardown(() => {
    socket.terminate();
  });
  const frames = new Inbox<TextFrame>();
  socket.on('message', (data: Buffer) => frames.push(parseFrame(data.toString())));
  const opened = new Promise<void>((resolve, reject) => {
    socket.on('open', resolve);
    socket.on('error', reject);
  });
  await inTime(opened, 'the WebSocket');
  return {
    frames,
    send: (...octets) => {
      for (const each of octets) socket.send(each);
    },
  };
}

function connectFrame(headers: Readonly<Record<string, string>>): string {
  return frame('CONNECT', { 'accept-version': '1.2', host: 'test', 'heart-beat': '0,0', ...headers });
}

async function answer(
  t: Test,
  admin: TestAdmin,
  door: 'live' | 'try',
  headers: Record<string, string>,
): Promise<TextFrame> {
  const { frames, send } = await open(t, admin, door);
  send(connectFrame(headers));
  return frames.next('an answer');
}

const asRole = (role: TestRole): Record<string, string> => ({ 'admin-token': TOKENS[role] });
const ANN = { login: 'ann', passcode: 'x' };
const USERS = { auth: { users: [{ ...ANN, roles: ['staff'] }], anonymous: false } };

t.test('to look takes a token of the admin API, and nothing of a client', async (t) => {
  const admin = await startAdmin(t, {}, USERS);
  for (const role of ['viewer', 'operator', 'admin'] as const) {
    t.match(await answer(t, admin, 'live', asRole(role)), { command: 'CONNECTED' });
  }
  for (const headers of [{}, ANN, { 'admin-token': 'x'.repeat(20) }, { authorization: `Bearer ${TOKENS.admin}` }]) {
    t.match(await answer(t, admin, 'live', headers), { command: 'ERROR', headers: { code: 'authentication-failed' } });
  }
});

t.test('a viewer who looks can send nothing', async (t) => {
  const admin = await startAdmin(t, {}, USERS);
  const { frames, send } = await open(t, admin, 'live');
  send(connectFrame(asRole('viewer')));
  t.match(await frames.next('CONNECTED'), { command: 'CONNECTED' });
  send(frame('SUBSCRIBE', { id: '0', destination: '/topic/$broker/stats' }));
  t.match(await frames.next('counters'), { command: 'MESSAGE', body: /"framesIn":\d/ });
  send(frame('SEND', { destination: '/queue/jobs' }, 'mischief'));
  t.match(await frames.next('a refusal'), { command: 'ERROR', headers: { code: 'access-denied' } });
  t.equal(admin.server.broker.operations.queue('/queue/jobs'), null);
});

t.test('to try it takes an operator, and then the credentials of a client', async (t) => {
  const admin = await startAdmin(t, {}, USERS);
  const refusal = { command: 'ERROR', headers: { code: 'authentication-failed' } };
  t.match(await answer(t, admin, 'try', ANN), refusal, 'no token');
  t.match(await answer(t, admin, 'try', { ...ANN, ...asRole('viewer') }), refusal, 'a viewer');
  t.match(await answer(t, admin, 'try', asRole('admin')), refusal, 'no client');
  t.match(
    await answer(t, admin, 'try', { ...ANN, passcode: 'wrong', ...asRole('admin') }),
    refusal,
    'a wrong passcode',
  );
  t.match(await answer(t, admin, 'try', { ...ANN, ...asRole('operator') }), {
    command: 'CONNECTED',
    headers: { 'user-name': 'ann' },
  });
  t.strictSame(admin.server.broker.users.get('ann')?.sessions[0]?.user?.roles, ['staff']);
  const { items } = (await admin.ask('GET', '/audit?operation=connectAsClient')).body as { items: object[] };
  t.match(items, [
    { actor: 'the operator', subject: { login: 'ann' }, outcome: 'done' },
    { actor: 'the admin', subject: { login: 'ann' }, outcome: 'authentication-failed' },
    { actor: 'the admin', subject: { login: null }, outcome: 'authentication-failed' },
  ]);
});

t.test('pages from elsewhere get in at neither', async (t) => {
  const admin = await startAdmin(t);
  for (const door of ['live', 'try'] as const) {
    await t.rejects(open(t, admin, door, 'http://elsewhere.example'), /403/);
  }
});

t.test('who looks needs no external broker, which may be what is wrong', async (t) => {
  const relay = { type: 'stomp', port: await freePort(), connections: 'per-client' } as const;
  const admin = await startAdmin(t, {}, { ...USERS, relay });
  t.match(await answer(t, admin, 'try', { ...ANN, ...asRole('operator') }), {
    command: 'ERROR',
    headers: { code: 'relay-unavailable' },
  });
  t.match(await answer(t, admin, 'live', asRole('viewer')), { command: 'CONNECTED' });
});

t.test('on the port of the endpoints it is the same', async (t) => {
  const admin = await startAdmin(t, { port: 'http' });
  t.match(await answer(t, admin, 'live', asRole('viewer')), { command: 'CONNECTED' });
  const page = await admin.ask('GET', '//console/', { as: null });
  t.equal(page.status, 200);
});
