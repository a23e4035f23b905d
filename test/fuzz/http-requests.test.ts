// HTTP as no client would speak it: the SockJS transports, WebSocket upgrades, the admin API. One server takes all of it.
import { connect } from 'node:net';
import t from 'tap';
import type { SeededRandom } from '../helpers/seeded-random.js';
import { startAdmin, TOKENS } from '../helpers/admin.js';
import { RawClient } from '../helpers/raw-client.js';
import { damage, fuzz } from './fuzz-run.js';

const METHODS = ['GET', 'POST', 'POST', 'OPTIONS', 'PUT', 'DELETE', 'HEAD', 'get', 'FOO'] as const;
const SOCKJS = [
  '/ws',
  '/ws/info',
  '/ws/000/$id/xhr',
  '/ws/000/$id/xhr_send',
  '/ws/000/$id/xhr_send',
  '/ws/000/$id/xhr_streaming',
  '/ws/000/$id/eventsource',
  '/ws/000/$id/htmlfile?c=%3Cscript%3E',
  '/ws/000/$id/jsonp?c=x',
  '/ws/000/$id/jsonp_send',
  '/ws/000/$id/websocket',
  '/ws/websocket',
  '/ws/iframe-1.html',
  '/ws/../ws/000/$id/xhr',
  '/ws/__proto__/constructor/xhr_send',
  '/ws/%00/%ff/xhr',
] as const;
const ADMIN = [
  '/sessions',
  '/sessions/x',
  '/destinations?limit=$id',
  '/queues/%2Fqueue%2Fa/messages?cursor=$id',
  '/queues/%2Fqueue%2Fa/purge',
  '/messages',
  '/users/__proto__',
  '/users/%00/disconnect',
  '/stats',
  '/broadcast',
  '/config/reload?x=$id',
] as const;
const HEADERS = [
  'Content-Type: text/plain',
  'Content-Type: application/json',
  'Content-Type: application/x-www-form-urlencoded',
  'Content-Type: a/b;;=',
  'Content-Encoding: gzip',
  'Origin: null',
  'Origin: https://evil.example',
  'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==',
  'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 7',
  'Upgrade: h2c\r\nConnection: Upgrade',
  'Cookie: a=b; __proto__=x; ;;=',
  'Transfer-Encoding: chunked',
  'X-Forwarded-For: ,,,',
  'Expect: 100-continue',
] as const;
const BODIES = [
  '',
  '["CONNECT\\naccept-version:1.2\\nhost:x\\n\\n\\u0000"]',
  '["SEND\\ndestination:/topic/a\\n\\n\\u0000"]',
  '[1,null,{}]',
  '{"__proto__":{"a":1},"destination":"/topic/a","body":"x"}',
  '[[[[',
  'd=%5B%22x%22%5D',
  '"\\ud800"',
  '5\r\nhello\r\n0\r\n\r\n',
  '\u0081\u0085\0\0\0\0hello',
] as const;

function request(random: SeededRandom, isAdmin: boolean): Buffer {
  const path = isAdmin ? `/api/v1${random.pick(ADMIN)}` : random.pick(SOCKJS);
  const id = random.pick(['a', 'b', 'c', '-1', '9e9', '%2e%2e', 'x'.repeat(50)]);
  const body = random.pick(BODIES);
  const headers = [`Host: localhost`, 'Connection: close'];
  if (isAdmin && random.chance(0.8)) headers.push(`Authorization: Bearer ${TOKENS.admin}`);
  if (random.chance(0.9)) headers.push(`Content-Length: ${Buffer.byteLength(body, 'latin1')}`);
  for (let k = random.between(0, 2); k > 0; k--) headers.push(random.pick(HEADERS));
  const text = `${random.pick(METHODS)} ${path.replace('$id', id)} HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n${body}`;
  const octets = Buffer.from(text, 'latin1');
  return random.chance(0.4) ? damage(random, octets) : octets;
}

/** The status of the answer; 0 when the server said nothing. */
function ask(port: number, octets: Buffer): Promise<number> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    let text = '';
    const end = (): void => {
      socket.destroy();
      resolve(Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 0));
    };
    socket.setEncoding('latin1').on('data', (part: string) => {
      text += part;
      // Streams and upgrades stay open: their first octets are enough.
      if (/^HTTP\/1\.1 \d+/.test(text)) end();
    });
    socket.on('error', end);
    socket.on('close', end);
    socket.end(octets);
  });
}

for (const [target, isAdmin] of [
  ['SockJS and WebSocket upgrades over HTTP', false],
  ['admin API', true],
] as const) {
  t.test(`${target}: any request is answered, none with 500`, async (t) => {
    const admin = await startAdmin(t, { rateLimit: false });
    const port = isAdmin ? Number(new URL(admin.origin).port) : admin.httpPort;
    await fuzz(t, target, isAdmin ? 100 : 150, async (random) => {
      const octets = request(random, isAdmin);
      const status = await ask(port, octets);
      // 500 is SockJS' own word for a body that is no JSON, and for a callback that is none.
      const isFault =
        status >= 500 &&
        !(status === 500 && /xhr_send|jsonp|htmlfile/.test(octets.toString('latin1'))) &&
        status !== 505;
      if (isFault) throw new Error(`${status}: ${JSON.stringify(octets.toString('latin1'))}`);
    });
    const probe = await RawClient.openFor(t, admin.tcpPort);
    await probe.connect();
    await probe.fence();
  });
}
