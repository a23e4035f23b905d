// What a page of another site, or somebody with a URL, could do with the HTTP transports.
import { gzipSync } from 'node:zlib';
import t from 'tap';
import type { ServerOptions } from '../../adapters/index.js';
import { http, StreamingRequest } from '../helpers/sockjs-http.js';
import { WebSocketClient } from '../helpers/websocket-client.js';
import { Arena, STRENGTH, type Started } from './arena.js';
import { countOf } from './outcomes.js';

const arena = Arena.open(t);
const group = 'sockjs';
const EVIL = { Origin: 'https://evil.example' };
const at = ({ httpPort }: Started, path: string): string => `http://127.0.0.1:${httpPort}/ws${path}`;

t.test('session ids that are guessed', async (t) => {
  const target = await arena.serve(t, {});
  const victim = new StreamingRequest('POST', at(target, '/000/a-secret-of-the-victim/xhr_streaming'));
  t.teardown(() => {
    victim.abort();
  });
  await victim.until('o\n');
  const attack = {
    group,
    name: 'guessing session ids',
    defence: 'sockjs-http-sessions.ts: ids of clients, unknown is 404',
  };
  const { outcome } = await arena.attack(t, target, attack, async () => {
    const answers: string[] = [];
    for (let k = 0; k < 50 * STRENGTH; k++) {
      const { status } = await http('POST', at(target, `/000/guess-${k}/xhr_send`), {
        body: '["SEND\\ndestination:/topic/a\\n\\n\\u0000"]',
        headers: { 'Content-Type': 'text/plain' },
      });
      answers.push(String(status));
    }
    return countOf(answers);
  });
  t.equal(outcome, `404 × ${50 * STRENGTH}`);
  const thief = new StreamingRequest('POST', at(target, '/999/a-secret-of-the-victim/xhr_streaming'));
  await thief.untilEnd();
  t.match(thief.text, /c\[2010,/, 'and who has the id cannot take over the stream of who is there');
  const inside = await http('POST', at(target, '/000/0/xhr_send'), { body: '["x"]' });
  t.equal(inside.status, 404, 'ids that the server uses inside name no session');
});

interface CrossSite {
  readonly name: string;
  readonly ask: (target: Started) => Promise<number>;
}

const CROSS_SITE: readonly CrossSite[] = [
  ...['/websocket', '', '/000/abc/websocket'].map((path) => ({
    name: `WebSocket at /ws${path}`,
    ask: async (target: Started): Promise<number> => {
      const url = at(target, path);
      try {
        const client = await WebSocketClient.open(url, { headers: EVIL });
        client.close();
        return 101;
      } catch {
        return (await WebSocketClient.refusal(url, { headers: EVIL })).status;
      }
    },
  })),
  ...['xhr', 'xhr_streaming'].map((transport) => ({
    name: `SockJS ${transport}`,
    ask: async (target: Started): Promise<number> => {
      const stream = new StreamingRequest('POST', at(target, `/000/cross-${transport}/${transport}`), EVIL);
      const { statusCode = 0 } = await stream.head;
      stream.abort();
      return statusCode;
    },
  })),
  ...['eventsource', 'htmlfile?c=x'].map((transport) => ({
    name: `SockJS ${transport}`,
    ask: async (target: Started): Promise<number> => {
      const stream = new StreamingRequest('GET', at(target, `/000/cross-${transport.slice(0, 4)}/${transport}`), EVIL);
      const { statusCode = 0 } = await stream.head;
      stream.abort();
      return statusCode;
    },
  })),
  {
    name: 'SockJS info',
    ask: async (target) => (await http('GET', at(target, '/info'), { headers: EVIL })).status,
  },
];

const origins = (allowedOrigins: readonly string[]): ServerOptions => ({
  http: { endpoints: [{ path: '/ws', allowedOrigins }] },
});

t.test('pages of another site', async (t) => {
  const guarded = await arena.serve(t, origins([]));
  const open = await arena.serve(t, origins(['*']));
  for (const { name, ask } of CROSS_SITE) {
    t.test(name, async (t) => {
      const without = String(await ask(open));
      const attack = { group, name: `cross-site: ${name}`, defence: 'endpoints.allowedOrigins' };
      const { outcome } = await arena.attack(t, guarded, attack, async () => String(await ask(guarded)), without);
      t.equal(outcome, '403');
      t.match(without, /^(101|200)$/);
    });
  }
  t.test('what sends no Origin: JSONP', async (t) => {
    const ask = (target: Started): Promise<string> =>
      http('GET', at(target, '/000/cross-jsonp/jsonp?c=x')).then(({ status }) => String(status));
    const without = await ask(open);
    const attack = {
      group,
      name: 'cross-site: JSONP, which sends no Origin',
      defence: 'served with allowedOrigins [*] alone',
    };
    const { outcome } = await arena.attack(t, guarded, attack, () => ask(guarded), without);
    t.equal(outcome, '404');
    t.equal(without, '200');
  });
  t.test('what sends no Origin: the iframe page in a frame of another site', async (t) => {
    const ask = (target: Started): Promise<string> =>
      http('GET', at(target, '/iframe.html')).then(({ headers }) => String(headers['x-frame-options']));
    const without = await ask(open);
    const attack = { group, name: 'cross-site: the iframe page', defence: 'X-Frame-Options' };
    const { outcome } = await arena.attack(t, guarded, attack, () => ask(guarded), without);
    t.equal(outcome, 'SAMEORIGIN');
    t.equal(without, 'undefined');
  });
});

t.test('bodies that inflate, and bodies without end', async (t) => {
  const target = await arena.serve(t, { broker: { limits: { frame: { maxBodyBytes: 65_536 } } } });
  const stream = new StreamingRequest('POST', at(target, '/000/bodies/xhr_streaming'));
  t.teardown(() => {
    stream.abort();
  });
  await stream.until('o\n');
  const attack = {
    group,
    name: 'bodies that inflate',
    defence: 'sockjs-http-sessions.ts: 415; sockjs-post.ts: maxPostBytes',
  };
  const { outcome, grownMiB } = await arena.attack(t, target, attack, async () => {
    const body = gzipSync(JSON.stringify(['x'.repeat(50_000_000)]));
    const headers = { 'Content-Type': 'text/plain', 'Content-Encoding': 'gzip' };
    const zipped = await http('POST', at(target, '/000/bodies/xhr_send'), { body, headers });
    t.match(zipped.text, /Content-Encoding: got "gzip", wants none/);
    const long = await http('POST', at(target, '/000/bodies/xhr_send'), {
      headers: { 'Content-Type': 'text/plain', 'Content-Length': '1000000000' },
    }).catch(() => ({ status: 413 }));
    return `${zipped.status}, ${long.status}`;
  });
  t.equal(outcome, '415, 413');
  t.ok(grownMiB < 60);
});
