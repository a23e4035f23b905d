/** The market-chat example, row by row (M1 to M14), with socket.io-client. */
import { Validator } from '@seriousme/openapi-schema-validator';
import fc from 'fast-check';
import { io, type Socket } from 'socket.io-client';
import t, { type Test } from 'tap';
import { CHAT_EVENTS, SERVER_EVENTS } from '../../examples/market-chat/chat-events.js';
import { Chats } from '../../examples/market-chat/chats.js';
import { CLIENT_TO_SERVER, SERVER_TO_CLIENT } from '../../examples/market-chat/event-documentation.js';
import { SpecificationClash } from '../../adapters/index.js';
import { getCompleteOpenAPISpec, mergeLegacySpecWithWebSocket } from '../../examples/market-chat/openapi.js';
import { createMarketChatApp, type MarketChatOptions } from '../../examples/market-chat/server.js';
import { Browser } from '../helpers/chromium.js';
import { curl, listen, picture } from '../helpers/example.js';
import { DEADLINE_MS, Inbox, inTime } from '../helpers/inbox.js';
import { requireProgram } from '../helpers/programs.js';
import { WebSocketClient } from '../helpers/websocket-client.js';

async function start(t: Test, options: MarketChatOptions = {}): Promise<string> {
  const chats = new Chats();
  chats.add({ id: 'clock', title: 'Clock', members: ['ann', 'bob'] });
  chats.add({ id: 'saddle', title: 'Saddle', members: ['ann'] });
  return listen(t, await createMarketChatApp({ chats, logLevel: 'silent', ...options }));
}

const json = (body: object): string[] => ['--header', 'Content-Type: application/json', '--data', JSON.stringify(body)];

/** Logs in with curl. @returns the cookie */
async function logIn(url: string, user: string): Promise<string> {
  const { body } = await curl('--include', ...json({ user }), `${url}/api/login`);
  return /set-cookie: ([^;\s]+)/i.exec(String(body))?.[1] ?? '';
}

interface Client {
  readonly socket: Socket;
  readonly messages: Inbox<Record<string, unknown>>;
}

async function connect(t: Test, url: string, cookie: string, transports = ['polling', 'websocket']): Promise<Client> {
  const socket = io(url, {
    path: '/ws',
    extraHeaders: { Cookie: cookie },
    transports,
    forceNew: true,
    reconnection: false,
  });
  t.teardown(() => {
    socket.close();
  });
  const messages = new Inbox<Record<string, unknown>>();
  socket.on('serverMessage', (message: Record<string, unknown>) => {
    messages.push(message);
  });
  await inTime(
    new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('connect_error', reject);
    }),
    'the connection',
  );
  return { socket, messages };
}

/** Joins, and waits until that has taken effect, by the acknowledgement. */
function emit({ socket }: Client, event: string, ...args: unknown[]): Promise<unknown> {
  return inTime(socket.emitWithAck(event, ...args) as Promise<unknown>, `the answer to ${event}`);
}

const say = (url: string, cookie: string, chat: string, text: string): ReturnType<typeof curl> =>
  curl('--cookie', cookie, ...json({ text }), `${url}/api/chats/${chat}/messages`);

t.test('M1, M12: without a session nobody is connected, and is told why', async (t) => {
  const url = await start(t);
  for (const cookie of ['', 'sid=guessed']) {
    await t.rejects(connect(t, url, cookie), { message: 'Log in first: there is no session cookie' });
  }
  t.match((await curl(`${url}/api/metrics`)).body, { activeConnections: 0, refusedConnections: 2 });
});

t.test(
  'M1, M2, M4, M9: by polling and WebSocket: a message posted by REST appears in the room, and no other',
  async (t) => {
    const url = await start(t);
    const cookie = await logIn(url, 'ann');
    for (const transports of [['polling'], ['websocket'], ['polling', 'websocket']]) {
      const client = await connect(t, url, cookie, transports);
      t.strictSame(await emit(client, 'clientJoinRoom', 'clock'), { status: 'ok' });
      t.equal((await say(url, cookie, 'saddle', 'not followed')).status, 201);
      const posted = await say(url, cookie, 'clock', 'Is it still there?');
      t.match(posted, { status: 201, body: { chatId: 'clock', sender: 'ann', text: 'Is it still there?' } });
      t.strictSame(await client.messages.next('the message'), posted.body);
      await emit(client, 'clientLeaveRoom', { chatId: 'clock' });
      await say(url, cookie, 'clock', 'left');
      await emit(client, 'clientJoinRoom', 'saddle');
      t.equal(client.messages.length, 0);
      client.socket.close();
    }
  },
);

t.test('M3, M10: joining without the right to see the chat is ignored and counted', async (t) => {
  const url = await start(t);
  const [ann, bob] = [await logIn(url, 'ann'), await logIn(url, 'bob')];
  const client = await connect(t, url, bob);
  client.socket.emit('clientJoinRoom', 'saddle');
  t.strictSame(await emit(client, 'clientJoinRoom', 'clock'), { status: 'ok' }, 'events keep their order');
  await say(url, ann, 'saddle', 'secret');
  await say(url, ann, 'clock', 'for both');
  t.match(await client.messages.next('the message'), { chatId: 'clock' });
  t.equal(client.messages.length, 0);
  t.match((await curl(`${url}/api/metrics`)).body, {
    activeConnections: 1,
    connectionsPerUser: { bob: 1 },
    longestConnectionMs: Number,
    messagesPerRoom: { saddle: 1, clock: 1 },
    failedJoins: 1,
  });
  t.match(
    await emit(client, 'clientJoinRoom', 'saddle'),
    { status: 'error', code: 'access-denied' },
    'who asks is told',
  );
  t.match(await emit(client, 'clientJoinRoom', null), { status: 'error', message: 'A chat id is wanted' });
  t.match(await emit(client, 'dance'), { status: 'error', message: 'Unknown event: dance' });
});

t.test('M11: too many events at once are refused', async (t) => {
  const url = await start(t);
  const client = await connect(t, url, await logIn(url, 'ann'));
  const answers = await Promise.all(Array.from({ length: 250 }, () => emit(client, 'clientLeaveRoom', 'clock')));
  t.match(answers[0], { status: 'ok' });
  t.match(answers[249], { status: 'error', code: 'rate-limited' });
});

t.test('the REST API by curl', async (t) => {
  const url = await start(t);
  const bob = await logIn(url, 'bob');
  t.strictSame(await curl('--cookie', bob, `${url}/api/chats`), {
    status: 200,
    body: [{ id: 'clock', title: 'Clock', members: ['ann', 'bob'] }],
  });
  t.equal((await curl(`${url}/api/chats`)).status, 401);
  t.equal((await say(url, bob, 'saddle', 'x')).status, 403);
  t.equal((await say(url, '', 'clock', 'x')).status, 401);
  t.equal((await say(url, bob, 'clock', '  ')).status, 400);
  t.equal((await curl('--cookie', bob, `${url}/api/chats/saddle/messages`)).status, 403);
  await say(url, bob, 'clock', 'Hello');
  t.match(await curl('--cookie', bob, `${url}/api/chats/clock/messages`), { status: 200, body: [{ text: 'Hello' }] });
  t.equal((await curl(...json({ user: '' }), `${url}/api/login`)).status, 400);
});

t.test('M5, M6, M7: the document has webhooks, x-websocket and schemas, and is served', async (t) => {
  const url = await start(t);
  const { body } = await curl(`${url}/openapi.json`);
  t.strictSame(body, JSON.parse(JSON.stringify(getCompleteOpenAPISpec())));
  t.match(body, {
    openapi: '3.1.0',
    webhooks: {
      serverMessage: {
        post: {
          requestBody: {
            content: { 'application/json': { schema: { $ref: '#/components/schemas/WebSocketMessage' } } },
          },
        },
      },
    },
    'x-websocket': {
      path: '/ws',
      protocol: 'socket.io',
      events: {
        'client-to-server': [
          { name: 'clientJoinRoom', schema: { $ref: '#/components/schemas/JoinRoomRequest' } },
          { name: 'clientLeaveRoom' },
        ],
      },
    },
    components: { schemas: { JoinRoomRequest: Object, WebSocketMessage: Object, Chat: Object } },
  });
  const result = await new Validator().validate(body as Record<string, unknown>);
  t.ok(result.valid, JSON.stringify(result));
});

t.test('M6, M9: merging loses nothing, changes nothing of what it is given, and reports clashes', async (t) => {
  const name = fc.stringMatching(/^[A-Z][a-z]{2,8}$/);
  const legacy = fc.record({
    openapi: fc.constant('3.0.3'),
    info: fc.object(),
    paths: fc.dictionary(name, fc.object()),
    components: fc.record({ schemas: fc.dictionary(name, fc.object()), responses: fc.object() }),
    webhooks: fc.dictionary(name, fc.object()),
  });
  fc.assert(
    fc.property(legacy, (spec) => {
      const before = JSON.stringify(spec);
      const merged = mergeLegacySpecWithWebSocket(spec) as typeof spec;
      if (JSON.stringify(spec) !== before) return false;
      const kept = { ...merged, openapi: spec.openapi, components: { ...merged.components } };
      const has = (all: object, some: object): boolean =>
        Object.entries(some).every(([key, value]) => (all as Record<string, unknown>)[key] === value);
      return (
        kept.info === spec.info &&
        kept.paths === spec.paths &&
        has(kept.components.schemas, spec.components.schemas) &&
        kept.components.responses === spec.components.responses &&
        has(kept.webhooks, spec.webhooks)
      );
    }),
  );
  t.strictSame(mergeLegacySpecWithWebSocket(getCompleteOpenAPISpec()), getCompleteOpenAPISpec(), 'twice is once');
  const clash = { components: { schemas: { WebSocketMessage: { type: 'string' } } }, webhooks: { serverMessage: {} } };
  t.throws(
    () => mergeLegacySpecWithWebSocket(clash),
    new SpecificationClash(['webhooks.serverMessage', 'components.schemas.WebSocketMessage']),
  );
});

t.test('M8: every event that is handled is documented, and the other way round', async (t) => {
  t.strictSame(Object.keys(CHAT_EVENTS.events).sort(), CLIENT_TO_SERVER.map(({ name }) => name).sort());
  t.strictSame(Object.keys(SERVER_EVENTS).sort(), SERVER_TO_CLIENT.map(({ name }) => name).sort());
});

t.test('M12: pages of configured origins may call and connect with their cookies', async (t) => {
  const url = await start(t, { allowedOrigins: ['https://market.example'] });
  for (const path of ['/api/chats', '/ws/?EIO=4&transport=polling']) {
    const { body } = await curl('--include', '--header', 'Origin: https://market.example', `${url}${path}`);
    t.match(body, /access-control-allow-origin: https:\/\/market\.example/i);
    t.match(body, /access-control-allow-credentials: true/i);
  }
});

t.test('M13: a STOMP client with the same cookie sees the same chat, and no other', async (t) => {
  const url = await start(t);
  const cookie = await logIn(url, 'bob');
  const client = await WebSocketClient.open(`${url}/stomp`, { headers: { Cookie: cookie } });
  client.send('CONNECT\naccept-version:1.2\nhost:localhost\n\n\0');
  t.match((await client.next()).text, /^CONNECTED\n/);
  client.send('SUBSCRIBE\nid:0\ndestination:/topic/chats/clock\nreceipt:r\n\n\0');
  t.match((await client.next()).text, /^RECEIPT\n/);
  await say(url, cookie, 'clock', 'Hello');
  t.match((await client.next()).text, /^MESSAGE\n[^]*"text":"Hello"/);
  client.send('SUBSCRIBE\nid:1\ndestination:/topic/chats/saddle\n\n\0');
  t.match((await client.next()).text, /^ERROR\n[^]*code:access-denied/);
});

t.test('M7, M14: two users side by side in a browser, and the page of the API', async (t) => {
  if (!requireProgram(t, 'chromium')) return;
  const url = await start(t);
  const browser = await Browser.start(t);
  const { page, complaints } = await browser.open(url);
  const [ann, bob] = [page.locator('[data-user=ann]'), page.locator('[data-user=bob]')];
  for (const pane of [ann, bob]) await pane.locator('.state[data-state=online]').waitFor({ timeout: DEADLINE_MS });
  await page.getByLabel('Message of ann').fill('Is it <b>still</b> there?');
  await page.keyboard.press('Enter');
  await bob.locator('li', { hasText: 'Is it <b>still</b> there?' }).waitFor({ timeout: DEADLINE_MS });
  await ann.locator('li.own').waitFor({ timeout: DEADLINE_MS });
  t.ok((await picture(page, 'market-chat')).fitsPhone);
  const docs = await browser.open(`${url}/docs`);
  for (const text of ['serverMessage', 'clientJoinRoom', 'POST /api/login', 'WebSocketMessage']) {
    await docs.page.getByText(text, { exact: true }).first().waitFor({ timeout: DEADLINE_MS });
  }
  t.ok((await picture(docs.page, 'market-chat-docs')).fitsPhone);
  t.strictSame([...complaints, ...docs.complaints], []);
});
