import path from 'node:path';
import t from 'tap';
import {
  DEFAULT_ADMIN_OPTIONS,
  OptionsError,
  readConfigFile,
  resolveServerOptions,
} from '../../../adapters/config/index.js';
import { applyOverrides, readEnvironment } from '../../../adapters/cli/overrides.js';
import { createBroker } from '../../../adapters/index.js';

const TOKEN = { name: 'ops', role: 'operator', token: 'a-token-that-is-long' } as const;

function faultsOf(options: object): readonly string[] {
  try {
    resolveServerOptions(options);
    return [];
  } catch (error) {
    if (!(error instanceof OptionsError)) throw error;
    return error.faults;
  }
}

t.test('the admin API is off unless it is asked for', async (t) => {
  t.equal(resolveServerOptions().admin, false);
  t.match(resolveServerOptions({ admin: true }).admin, { ...DEFAULT_ADMIN_OPTIONS, jwt: null });
  t.match(resolveServerOptions({ admin: { tokens: [TOKEN], rateLimit: { max: 5 } } }).admin, {
    tokens: [TOKEN],
    rateLimit: { max: 5, windowMs: 60_000 },
  });
});

t.test('a fault is told with its path, and no token is', async (t) => {
  const cases: readonly (readonly [object | string, string])[] = [
    ['yes', 'admin: got "yes", wants true, false or an object'],
    [{ port: 'web' }, 'admin.port: got "web", wants "http" or a number from 0 to 65535'],
    [{ colour: 1 }, 'admin.colour: unknown option'],
    [{ metrics: true }, 'admin.metrics: got true, wants "token", "open" or false'],
    [
      { tokens: [{ ...TOKEN, token: 'short' }] },
      'admin.tokens.0.token: got a value that is not shown, wants at least 16 characters without blanks',
    ],
    [
      { tokens: ['a-token-that-is-long'] },
      'admin.tokens.0: got a value that is not shown, wants an object with name, role and token',
    ],
    [{ tokens: [{ ...TOKEN, role: 'root' }] }, 'admin.tokens.0.role: got "root", wants one of viewer, operator, admin'],
    [{ tokens: [{ name: 'x', role: 'admin' }] }, 'admin.tokens.0: got no token, wants token or tokenFile'],
    [{ tokens: [{ ...TOKEN, tokenFile: 'f' }] }, 'admin.tokens.0: got token and tokenFile, wants one of them'],
    [{ tokens: [TOKEN, TOKEN] }, 'admin.tokens.1.name: got "ops" twice, wants it once'],
    [{ jwt: {} }, 'admin.jwt: got no key, wants one of secret, secretFile, keyFile, jwksUrl'],
    [
      { port: 'http', trustProxy: true },
      'admin.trustProxy: got a value, wants none with port "http": it is that of http',
    ],
  ];
  for (const [admin, fault] of cases) t.strictSame(faultsOf({ admin }), [fault], fault);
});

t.test('the port of http can be shared where there is one and it is the own process', async (t) => {
  const admin = { port: 'http' as const };
  t.strictSame(faultsOf({ admin }), []);
  t.match(faultsOf({ admin, http: false }), ['admin.port: got "http", wants a number, since http is false']);
  t.match(faultsOf({ admin, workers: 2 }), [/^admin\.port: got "http", wants a number with workers/]);
  t.throws(() => createBroker({ admin }), { message: /admin\.port: got "http", wants a number: the HTTP server/ });
});

t.test('files are found beside the configuration', async (t) => {
  const directory = t.testdir({
    'hoofbeat.yaml': `admin:
  tls: { certFile: cert.pem, keyFile: key.pem }
  tokens: [{ name: ops, role: admin, tokenFile: ops.txt }]
  jwt: { keyFile: keys.pem }
`,
  });
  const { admin } = await readConfigFile(path.join(directory, 'hoofbeat.yaml'));
  t.match(admin, {
    tls: { certFile: path.join(directory, 'cert.pem'), keyFile: path.join(directory, 'key.pem') },
    tokens: [{ tokenFile: path.join(directory, 'ops.txt') }],
    jwt: { keyFile: path.join(directory, 'keys.pem') },
  });
});

t.test('the environment opens the API with a token or a port', async (t) => {
  const over = readEnvironment({ HOOFBEAT_ADMIN_TOKEN: 'from-the-environment', HOOFBEAT_ADMIN_PORT: '9000' });
  t.strictSame(applyOverrides({ admin: { docs: false, tokens: [TOKEN] } }, over).admin, {
    docs: false,
    port: 9_000,
    tokens: [TOKEN, { name: 'environment', role: 'admin', token: 'from-the-environment' }],
  });
  t.strictSame(applyOverrides({}, readEnvironment({ HOOFBEAT_ADMIN_PORT: '0' })).admin, { port: 0 });
  t.equal(applyOverrides({}, readEnvironment({ HOOFBEAT_ADMIN_TOKEN: '' })).admin, undefined);
  t.throws(() => readEnvironment({ HOOFBEAT_ADMIN_PORT: 'x' }), {
    message: 'HOOFBEAT_ADMIN_PORT: got "x", wants a number from 0 to 65535',
  });
});
