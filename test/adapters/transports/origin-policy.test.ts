/** Who may connect from a web page. */
import type { IncomingMessage } from 'node:http';
import t from 'tap';
import { OriginPolicy, type OriginOptions } from '../../../adapters/transports/origin-policy.js';

function isAllowed(
  options: OriginOptions,
  origin: string | undefined,
  headers: Record<string, string> = {},
  encrypted = false,
): boolean {
  const all = { host: 'server.example:8080', ...headers, ...(origin === undefined ? {} : { origin }) };
  return new OriginPolicy(options).isAllowed({ headers: all, socket: { encrypted } } as unknown as IncomingMessage);
}

t.test('a request without an Origin is accepted', async (t) => {
  t.ok(isAllowed({}, undefined));
  t.ok(isAllowed({ allowedOrigins: 'loopback' }, undefined));
});

t.test("the server's own origin is accepted: scheme, host and port", async (t) => {
  t.ok(isAllowed({}, 'http://server.example:8080'));
  t.ok(isAllowed({}, 'HTTP://Server.Example:8080'));
  t.ok(isAllowed({}, 'https://server.example', { host: 'server.example:443' }, true));
  t.notOk(isAllowed({}, 'https://server.example:8080'), 'another scheme');
  t.notOk(isAllowed({}, 'http://server.example'), 'another port');
  t.notOk(isAllowed({}, 'http://evil.example:8080'));
  t.notOk(isAllowed({}, 'null'));
  t.notOk(isAllowed({}, 'http://server.example:8080.evil.example'));
});

t.test('behind a proxy the forwarded scheme and host count, when trusted', async (t) => {
  const forwarded = { host: '10.0.0.1:8080', 'x-forwarded-proto': 'https', 'x-forwarded-host': 'app.example' };
  t.ok(isAllowed({ trustProxy: true }, 'https://app.example', forwarded));
  t.notOk(isAllowed({}, 'https://app.example', forwarded));
});

t.test('allowed origins compare without case and without a slash at the end', async (t) => {
  const options = { allowedOrigins: ['https://App.example/', 'null'] };
  t.ok(isAllowed(options, 'https://app.example'));
  t.ok(isAllowed(options, 'https://APP.example/'));
  t.ok(isAllowed(options, 'https://app.example:443'), 'the implied port');
  t.ok(isAllowed(options, 'null'), 'null is a string as any other');
  t.notOk(isAllowed(options, 'https://app.example:8443'));
  t.notOk(isAllowed(options, 'https://xapp.example'));
  t.ok(isAllowed({ allowedOrigins: ['*'] }, 'https://anywhere.example'));
});

t.test('patterns take any run of characters and lists of ports', async (t) => {
  const options = {
    allowedOriginPatterns: ['https://*.example:[80,8080]', 'http://dev.example:[*]', 'https://*.test'],
  };
  t.ok(isAllowed(options, 'https://a.b.example:8080'));
  t.notOk(isAllowed(options, 'https://a.example:81'));
  t.notOk(isAllowed(options, 'https://a.example'));
  t.ok(isAllowed(options, 'http://dev.example:1'));
  t.ok(isAllowed(options, 'http://dev.example'));
  t.notOk(isAllowed(options, 'http://dev.example.evil'));
  t.ok(isAllowed(options, 'https://x.test'));
  t.notOk(isAllowed(options, 'https://xAtest'), 'a dot is a dot');
  t.ok(isAllowed({ allowedOriginPatterns: ['*'] }, 'null'));
  t.ok(isAllowed({ allowedOriginPatterns: ['https://a.example:[443]'] }, 'https://a.example'));
});

t.test('loopback allows pages of this machine and no other name for it', async (t) => {
  const options = { allowedOrigins: 'loopback' } as const;
  for (const origin of ['http://localhost:3000', 'http://127.0.0.1', 'https://127.9.9.9:1', 'http://[::1]:5173']) {
    t.ok(isAllowed(options, origin), origin);
  }
  for (const origin of [
    'http://evil.example',
    'http://localhost.evil.example',
    'http://127.0.0.1.evil.example',
    'null',
  ]) {
    t.notOk(isAllowed(options, origin), origin);
  }
  // A name that an attacker's DNS points at 127.0.0.1 arrives as Host and Origin alike.
  t.notOk(isAllowed(options, 'http://rebound.example:8080', { host: 'rebound.example:8080' }));
});
