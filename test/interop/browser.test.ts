/** Two pages in a real browser that talk to each other through the server: one over WebSocket, one over SockJS. */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import t from 'tap';
import { ARTIFACTS, Browser, type BrowserPage } from '../helpers/chromium.js';
import { DEADLINE_MS } from '../helpers/inbox.js';
import { requireProgram } from '../helpers/programs.js';
import { startTestServer } from '../helpers/server.js';
import { SOCKJS_TRANSPORTS } from '../helpers/stompjs-client.js';

interface PageMessage {
  readonly body: string;
  readonly octets: readonly number[];
  readonly headers: Readonly<Record<string, string>>;
}

interface Way {
  readonly kind: 'websocket' | 'sockjs';
  readonly url: string;
  readonly transports?: readonly string[];
}

/** Calls a function of the page. */
function call(page: BrowserPage, name: string, ...args: readonly unknown[]): Promise<unknown> {
  return page.run(`${name}(${args.map((value) => JSON.stringify(value)).join(', ')})`);
}

async function take(page: BrowserPage, destination: string, count = 1): Promise<readonly PageMessage[]> {
  return (await call(page, 'take', destination, count)) as readonly PageMessage[];
}

t.test('in Chromium', { timeout: 110_000 }, async (t) => {
  if (!requireProgram(t, 'chromium')) return;
  const server = await startTestServer({ broker: { heartBeat: { sendMs: 1_500, receiveMs: 1_500 } } });
  t.teardown(() => server.stop());
  const browser = await Browser.start(t);
  await mkdir(ARTIFACTS, { recursive: true });
  const native: Way = { kind: 'websocket', url: `ws://127.0.0.1:${server.httpPort}/ws` };
  // Timers of a page in the background fire once a second at best.
  const beats = { heartbeatIncoming: 1_500, heartbeatOutgoing: 1_500 };

  for (const transport of SOCKJS_TRANSPORTS) {
    await t.test(`a page over SockJS ${transport} and a page over WebSocket exchange messages`, async (t) => {
      const [left, right] = [await browser.open(), await browser.open()];
      const sockjs: Way = { kind: 'sockjs', url: `http://127.0.0.1:${server.httpPort}/ws`, transports: [transport] };
      t.match(await call(left, 'connect', native, beats), { headers: { version: '1.2' }, transport: 'native' });
      t.match(await call(right, 'connect', sockjs, beats), { headers: { version: '1.2' }, transport });
      const destination = `/topic/browser.${transport}`;
      await call(left, 'subscribe', destination);
      await call(right, 'subscribe', destination);

      const greeting = 'grüße aus dem Browser, 世界 🐎\u2028:\\';
      await call(left, 'publish', destination, greeting, { kind: 'a:b\\x\nc' });
      for (const page of [left, right]) {
        const [message] = await take(page, destination);
        t.equal(message?.body, greeting);
        t.match(message?.headers, { destination, kind: 'a:b\\x\nc' });
      }
      await call(right, 'publish', destination, 'back');
      for (const page of [left, right]) t.match(await take(page, destination), [{ body: 'back' }]);

      await left.run(
        `for (let k = 0; k < 200; k++) client.publish({ destination: '${destination}', body: String(k) })`,
      );
      const expected = Array.from({ length: 200 }, (_, k) => String(k));
      for (const page of [left, right])
        t.same(
          (await take(page, destination, 200)).map(({ body }) => body),
          expected,
        );

      await left.run(`publish('${destination}', 'x'.repeat(1024 * 1024))`);
      for (const page of [left, right]) t.equal((await take(page, destination))[0]?.body.length, 1024 * 1024);

      await right.page.screenshot({ path: path.join(ARTIFACTS, `browser-${transport}.png`) });
      t.match(await call(left, 'leave'), { code: 1000, wasClean: true });
      t.match(await call(right, 'leave'), { code: 1000, wasClean: true });
      t.same([...left.complaints, ...right.complaints], [], 'the pages have nothing to complain about');
      await left.page.close();
      await right.page.close();
    });
  }

  await t.test('trap: a browser drops a WebSocket whose subprotocol offer is not answered, so it is', async (t) => {
    const page = await browser.open();
    await call(page, 'connect', native);
    // stompjs offers v12.stomp, v11.stomp and v10.stomp, and a browser would have refused anything but one of them.
    t.equal(await page.run('client.webSocket.protocol'), 'v12.stomp');
    const answered = await page.run(`inTime(new Promise((resolve) => {
      const socket = new WebSocket(${JSON.stringify(native.url)}, ['v11.stomp', 'v10.stomp']);
      socket.onopen = () => resolve(socket.protocol);
      socket.onerror = () => resolve('refused');
    }), 'open')`);
    t.equal(answered, 'v11.stomp');
    t.same(page.complaints, []);
    await page.page.close();
  });

  await t.test('trap: a body that is not UTF-8 arrives in the page as it was', async (t) => {
    const page = await browser.open();
    await call(page, 'connect', native);
    await call(page, 'subscribe', '/topic/browser.octets');
    const octets = Array.from({ length: 256 }, (_, value) => value);
    await call(page, 'publishOctets', '/topic/browser.octets', octets);
    t.same((await take(page, '/topic/browser.octets'))[0]?.octets, octets);
    t.same(page.complaints, []);
    await page.page.close();
  });

  await t.test('a page that is closed takes its session with it', async (t) => {
    const page = await browser.open();
    const sessions = (): number => server.server.broker.stats().connections.current;
    await call(page, 'connect', native);
    const other = await browser.open();
    await call(other, 'connect', native);
    await call(other, 'subscribe', '/queue/browser.closing');
    const before = sessions();
    await page.page.close({ runBeforeUnload: false });
    // Chromium lets go of a page when it sees fit; each round asks the server again.
    const untilMs = performance.now() + DEADLINE_MS;
    while (sessions() === before && performance.now() < untilMs) await call(other, 'publish', '/topic/none', 'x');
    t.equal(sessions(), before - 1);
    await other.page.close();
  });

  await t.test('an origin that is not allowed gets no connection', async (t) => {
    const endpoints = [{ path: '/ws', allowedOrigins: ['https://shop.example'] }];
    const strict = await startTestServer({ http: { endpoints } });
    t.teardown(() => strict.stop());
    const page = await browser.open();
    const refused = await page.run(`inTime(new Promise((resolve) => {
      const socket = new WebSocket('ws://127.0.0.1:${strict.httpPort}/ws', ['v12.stomp']);
      socket.onopen = () => resolve('open');
      socket.onclose = ({ code }) => resolve(code);
    }), 'the refusal')`);
    t.equal(refused, 1006, 'all that a browser tells');
    const sockjs = await page.run(`inTime(new Promise((resolve) => {
      const socket = new SockJS('http://127.0.0.1:${strict.httpPort}/ws');
      socket.onopen = () => resolve('open');
      socket.onclose = ({ code }) => resolve(code);
    }), 'the refusal')`);
    t.equal(sockjs, 1002, 'SockJS: cannot connect to server');
    await page.page.close();
  });
});
