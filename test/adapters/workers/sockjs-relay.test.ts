/** Two workers' relays in one process: a public server each, and requests that reach the wrong one. */
import { once } from 'node:events';
import { Agent, createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { ownerOf, SockJsRelay } from '../../../adapters/workers/sockjs-relay.js';
import { temporaryDirectory } from '../../helpers/cli.js';
import { Inbox, inTime } from '../../helpers/inbox.js';

type Take = (worker: number, request: IncomingMessage, response: ServerResponse) => void;

const WORKERS = 2;
/** Sessions of worker 2, which the client asks worker 1 for. */
const SESSION = Array.from({ length: 100 }, (_, k) => `s${k}`).find((id) => ownerOf(id, WORKERS) === 2) ?? '';

/** Opens both; `port` is that of worker 1. */
async function open(t: Test, take: Take): Promise<{ port: number; relays: readonly SockJsRelay[] }> {
  const directory = temporaryDirectory(t);
  const ports: number[] = [];
  const relays: SockJsRelay[] = [];
  for (const worker of [1, 2]) {
    const relay = new SockJsRelay({
      worker,
      workers: WORKERS,
      directory,
      take: (request, response) => {
        if (request.url === '/nowhere') return false;
        take(worker, request, response);
        return true;
      },
    });
    await relay.listen();
    const server = createServer((request, response) => {
      const session = /^\/([^/?]+)/.exec(request.url ?? '')?.[1] ?? '';
      if (!relay.passOn(session, request, response)) take(worker, request, response);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.teardown(() => {
      relay.close();
      server.close();
      server.closeAllConnections();
    });
    ports.push((server.address() as AddressInfo).port);
    relays.push(relay);
  }
  return { port: ports[0] ?? 0, relays };
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
}

async function ask(
  port: number,
  path: string,
  options: { method?: string; headers?: Record<string, string | string[]>; body?: string; agent?: Agent } = {},
): Promise<Answer> {
  const { body, ...rest } = options;
  const asked = request({ host: '127.0.0.1', port, path, ...rest });
  asked.end(body);
  const [answer] = (await inTime(once(asked, 'response'), 'the answer')) as [IncomingMessage];
  let text = '';
  answer.setEncoding('utf8').on('data', (part: string) => (text += part));
  await inTime(once(answer, 'end'), 'the end of the answer');
  return { status: answer.statusCode ?? 0, headers: answer.headers, text };
}

t.test('sessions are spread evenly, and always to the same worker', async (t) => {
  const counts = new Map<number, number>();
  for (let k = 0; k < 3_000; k++) {
    const owner = ownerOf(Math.imul(k, 2_654_435_761).toString(36), 3);
    counts.set(owner, (counts.get(owner) ?? 0) + 1);
  }
  t.strictSame([...counts.keys()].sort(), [1, 2, 3]);
  for (const count of counts.values()) t.ok(count > 850 && count < 1_150, `${count} of 3,000`);
});

t.test(
  'the owner sees the request as its client sent it, and the client the answer as the owner gave it',
  async (t) => {
    const seen: object[] = [];
    const { port } = await open(t, (worker, request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (part: string) => (body += part));
      request.on('end', () => {
        const { method, url, headers } = request;
        seen.push({ worker, method, url, headers, body, address: request.socket.remoteAddress });
        response.writeHead(207, { 'Set-Cookie': ['a=1', 'b=2'], 'X-Answer': 'yes' });
        response.end('answered');
      });
    });
    const headers = { cookie: 'JSESSIONID=1', 'x-hoofbeat-address': '10.0.0.1', 'X-Twice': ['a', 'b'] };
    const answer = await ask(port, `/${SESSION}/xhr_send?t=1`, { method: 'POST', headers, body: '["hello"]' });
    t.match(answer, { status: 207, text: 'answered', headers: { 'x-answer': 'yes', 'set-cookie': ['a=1', 'b=2'] } });
    t.match(seen, [
      {
        worker: 2,
        method: 'POST',
        url: `/${SESSION}/xhr_send?t=1`,
        body: '["hello"]',
        address: '127.0.0.1',
        headers: { cookie: 'JSESSIONID=1', 'x-twice': 'a, b', host: `127.0.0.1:${port}` },
      },
    ]);
    t.notOk(JSON.stringify(seen).includes('hoofbeat-address'), 'nothing of the way between');
  },
);

t.test('one connection of a client carries requests of sessions here and there', async (t) => {
  const { port } = await open(t, (worker, request, response) => {
    request.resume();
    response.end(String(worker));
  });
  const here = Array.from({ length: 100 }, (_, k) => `h${k}`).find((id) => ownerOf(id, WORKERS) === 1) ?? '';
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.teardown(() => {
    agent.destroy();
  });
  const texts: string[] = [];
  for (const id of [SESSION, here, SESSION, SESSION, here]) {
    texts.push((await ask(port, `/${id}/xhr`, { method: 'POST', agent, body: 'x' })).text);
  }
  t.strictSame(texts, ['2', '1', '2', '2', '1']);
});

t.test('what streams arrives piece by piece, and a client that leaves is seen to leave', async (t) => {
  const responses = new Inbox<ServerResponse>();
  const { port } = await open(t, (_worker, _request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    response.write('one');
    responses.push(response);
  });
  const asked = request({ host: '127.0.0.1', port, path: `/${SESSION}/eventsource` });
  asked.on('error', () => undefined).end();
  const [answer] = (await inTime(once(asked, 'response'), 'the head')) as [IncomingMessage];
  const pieces = new Inbox<string>();
  answer.setEncoding('utf8').on('data', (piece: string) => {
    pieces.push(piece);
  });
  answer.on('error', () => undefined);
  t.equal(await pieces.next('the first piece'), 'one');
  const response = await responses.next();
  response.write('two');
  t.equal(await pieces.next('the second piece'), 'two');
  const closed = once(response, 'close');
  asked.destroy();
  await inTime(closed, 'the close at the owner');
});

t.test('an owner that breaks off is seen by the client', async (t) => {
  const { port } = await open(t, (_worker, _request, response) => {
    response.write('begun');
    setImmediate(() => response.destroy());
  });
  const asked = request({ host: '127.0.0.1', port, path: `/${SESSION}/xhr_streaming`, method: 'POST' });
  asked.end();
  const [answer] = (await inTime(once(asked, 'response'), 'the head')) as [IncomingMessage];
  answer.resume();
  const error = await inTime(new Promise((resolve) => answer.once('error', resolve)), 'the end');
  t.match(error, { code: 'ECONNRESET' });
});

t.test('a body that the owner does not want is refused with its answer', async (t) => {
  const { port } = await open(t, (_worker, _request, response) => {
    response.writeHead(413, { Connection: 'close' });
    response.end('too much');
  });
  const answer = await ask(port, `/${SESSION}/xhr_send`, { method: 'POST', body: 'x'.repeat(100) });
  t.match(answer, { status: 413, text: 'too much', headers: { connection: 'close' } });
});

t.test('while the owner is away its requests get 503', async (t) => {
  const { port, relays } = await open(t, (_worker, _request, response) => response.end());
  relays[1]?.close();
  t.match(await ask(port, `/${SESSION}/xhr`, { method: 'POST' }), { status: 503, headers: { 'retry-after': '1' } });
});
