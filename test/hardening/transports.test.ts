// Clients that send so slowly that they only hold what they have: on each way in, and in each state.
import t from 'tap';
import type { ServerOptions } from '../../adapters/index.js';
import { TOKENS } from '../helpers/admin.js';
import { Arena, IS_LONG, STRENGTH, type Started } from './arena.js';
import { SlowSocket } from './slow-socket.js';

const LONG_MS = 600_000;
const SHORT_MS = 400;
const CONNECT = 'CONNECT\naccept-version:1.2\nhost:localhost\nheart-beat:0,0\n\n\0';
const GET = 'GET /ws HTTP/1.1\r\nHost: localhost\r\n';
const UPGRADE = `${GET}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n\r\n`;
/** So many at a time. */
const CLIENTS = 20 * STRENGTH;

interface Slow {
  readonly name: string;
  readonly defence: string;
  /** With the time that the defence allows. */
  readonly options: (ms: number) => ServerOptions;
  readonly port?: (target: Started) => number;
  readonly atOnce: string;
  readonly slowly: string;
  /** What the server says before it ends the connection. */
  readonly says: RegExp;
}

const connectTimeout = (ms: number): ServerOptions => ({ broker: { limits: { connectTimeoutMs: ms, lingerMs: 200 } } });
const headersTimeout = (ms: number): ServerOptions => ({ http: { headersTimeoutMs: ms, requestTimeoutMs: ms } });
const requestTimeout = (ms: number): ServerOptions => ({ http: { requestTimeoutMs: ms, headersTimeoutMs: ms } });
const frameTimeout = (ms: number): ServerOptions => ({ broker: { limits: { frameTimeoutMs: ms, lingerMs: 200 } } });
const tokens = [{ name: 'admin', role: 'admin' as const, token: TOKENS.admin }];
const adminTimeout = (ms: number): ServerOptions => ({ admin: { port: 0, tokens, requestTimeoutMs: ms } });
const tcp = (target: Started): number => target.tcpPort;
const http = (target: Started): number => target.httpPort;
const admin = (target: Started): number => target.adminPort;
const post = (path: string, host = ''): string =>
  `POST ${path} HTTP/1.1\r\nHost: localhost\r\n${host}Content-Length: 5000\r\n\r\n`;

const ATTACKS: readonly Slow[] = [
  {
    name: 'TCP: connects and says nothing',
    defence: 'limits.connectTimeoutMs',
    options: connectTimeout,
    atOnce: '',
    slowly: '',
    says: /^ERROR\n[^]*code:connect-timeout/,
  },
  {
    name: 'TCP: CONNECT an octet at a time',
    defence: 'limits.connectTimeoutMs',
    options: connectTimeout,
    atOnce: 'CONNECT\n',
    slowly: 'x:y\n',
    says: /^ERROR\n[^]*code:connect-timeout/,
  },
  {
    name: 'TCP: heart-beats instead of CONNECT',
    defence: 'limits.connectTimeoutMs',
    options: connectTimeout,
    atOnce: '',
    slowly: '\n',
    says: /^ERROR\n[^]*code:connect-timeout/,
  },
  {
    name: 'TCP: a frame that never ends, once connected',
    defence: 'limits.frameTimeoutMs',
    options: frameTimeout,
    atOnce: `${CONNECT}SEND\ndestination:/topic/a\ncontent-length:1000000\n\n`,
    slowly: 'x',
    says: /^CONNECTED\n[^]*ERROR\n[^]*code:frame-timeout/,
  },
  {
    name: 'WebSocket: the upgrade a header at a time',
    defence: 'http.headersTimeoutMs',
    options: headersTimeout,
    port: http,
    atOnce: GET,
    slowly: 'x: y\r\n',
    says: /^HTTP\/1\.1 408 |^$/,
  },
  {
    name: 'WebSocket: open, and no CONNECT',
    defence: 'limits.connectTimeoutMs',
    options: connectTimeout,
    port: http,
    atOnce: UPGRADE,
    slowly: '',
    says: /^HTTP\/1\.1 101 [^]*code:connect-timeout/,
  },
  {
    name: 'WebSocket: a message that never ends, before CONNECT',
    defence: 'limits.connectTimeoutMs',
    options: connectTimeout,
    port: http,
    atOnce: `${UPGRADE}\x81\xfe\x10\x00\0\0\0\0CONNECT\n`,
    slowly: 'x:y\n',
    says: /^HTTP\/1\.1 101 [^]*code:connect-timeout/,
  },
  {
    name: 'SockJS: the body of xhr_send an octet at a time',
    defence: 'http.requestTimeoutMs',
    options: requestTimeout,
    port: http,
    atOnce: post('/ws/000/slow/xhr_send', 'Content-Type: text/plain\r\n'),
    slowly: '[',
    says: /^HTTP\/1\.1 408 |^$/,
  },
  {
    name: 'SockJS: a stream that is opened, and no CONNECT',
    defence: 'limits.connectTimeoutMs',
    options: connectTimeout,
    port: http,
    atOnce:
      'POST /ws/000/$k/xhr_streaming HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n',
    slowly: '',
    says: /^HTTP\/1\.1 200 [^]*code:connect-timeout[^]*c\[/,
  },
  {
    name: 'admin API: headers an octet at a time',
    defence: 'admin.requestTimeoutMs',
    options: adminTimeout,
    port: admin,
    atOnce: 'GET /api/v1/stats HTTP/1.1\r\nHost: localhost\r\n',
    slowly: 'x: y\r\n',
    says: /^HTTP\/1\.1 408 |^$/,
  },
  {
    name: 'admin API: a body an octet at a time',
    defence: 'admin.requestTimeoutMs',
    options: adminTimeout,
    port: admin,
    atOnce: post('/api/v1/messages', `Authorization: Bearer ${TOKENS.admin}\r\nContent-Type: application/json\r\n`),
    slowly: ' ',
    says: /^HTTP\/1\.1 (408|401) |^$/,
  },
];

const arena = Arena.open(t);

t.test('slow clients are cut, on every way in', { jobs: IS_LONG ? 1 : ATTACKS.length }, async (t) => {
  for (const { name, defence, options, port = tcp, atOnce, slowly, says } of ATTACKS) {
    t.test(name, async (t) => {
      const guarded = await arena.serve(t, options(SHORT_MS));
      const open = await arena.serve(t, options(LONG_MS));
      const twin = new SlowSocket(port(open), atOnce, slowly);
      t.teardown(() => {
        twin.destroy();
      });
      const run = async (): Promise<string> => {
        const clients = Array.from(
          { length: CLIENTS },
          (_, k) => new SlowSocket(port(guarded), atOnce.replace('$k', `client-${k}`), slowly),
        );
        const said = await Promise.all(clients.map((client) => client.untilEnd()));
        t.strictSame(
          said.filter((text) => !says.test(text)),
          [],
          'each is told why',
        );
        return `${said.length} of ${CLIENTS} cut`;
      };
      const row = await arena.attack(t, guarded, { group: 'slow', name, defence }, run, 'none cut');
      t.equal(row.outcome, `${CLIENTS} of ${CLIENTS} cut`);
      t.equal(twin.hasEnded, false, 'without the defence it stays');
    });
  }
});
