/** Defaults, what changes beyond loopback, and faults of the options object. */
import t from 'tap';
import {
  DEFAULT_REDIS_RELAY_OPTIONS,
  DEFAULT_RELAY_OPTIONS,
  OptionsError,
  resolveServerOptions,
  type ServerOptions,
  serverOptionsJsonSchema,
} from '../../../adapters/config/index.js';
import { DEFAULT_BROKER_OPTIONS } from '../../../broker/options.js';

/** What a JavaScript application or a file may really hold. */
function faultsOf(given: unknown): readonly string[] {
  try {
    resolveServerOptions(given as ServerOptions);
    return [];
  } catch (error) {
    if (error instanceof OptionsError) return error.faults;
    throw error;
  }
}

t.test('without options it is a development server of this machine', async (t) => {
  const options = resolveServerOptions();
  t.match(options.http, { host: '127.0.0.1', port: 8080, tls: undefined });
  t.strictSame(options.tcp, {
    host: '127.0.0.1',
    port: 61613,
    connectionsPerTurn: 32,
    tls: undefined,
    proxyProtocol: false,
  });
  t.strictSame(options.http !== false && options.http.endpoints, [
    {
      path: '/ws',
      sockjs: true,
      allowedOrigins: 'loopback',
      allowedOriginPatterns: [],
      compression: false,
      lenientNul: true,
      typedLines: true,
      trustProxy: false,
    },
  ]);
  t.strictSame(options.auth, {
    anonymous: true,
    users: [],
    passwordFile: null,
    jwt: null,
    trustedHeader: null,
    csrf: null,
    guesses: { maxPerAddress: 100, maxPerLogin: 100, windowMs: 300_000 },
    rules: [],
  });
  t.strictSame(options.log, { level: 'info', pretty: true });
  t.strictSame(options.broker, DEFAULT_BROKER_OPTIONS);
});

t.test('a listener beyond loopback closes anonymous access', async (t) => {
  t.equal(resolveServerOptions({ tcp: { host: '0.0.0.0' } }).auth.anonymous, false);
  t.equal(resolveServerOptions({ http: { host: '::' } }).auth.anonymous, false);
  t.equal(resolveServerOptions({ http: { host: 'broker.example' } }).auth.anonymous, false, 'a name may be anywhere');
  for (const host of ['127.0.0.1', '127.8.9.1', 'localhost', '::1']) {
    t.equal(resolveServerOptions({ http: { host }, tcp: { host } }).auth.anonymous, true, host);
  }
});

t.test('a listener that is off does not count', async (t) => {
  t.equal(resolveServerOptions({ http: false, tcp: { host: '127.0.0.1' } }).auth.anonymous, true);
});

t.test('anonymous access beyond loopback can be asked for, and refused on loopback', async (t) => {
  t.equal(resolveServerOptions({ tcp: { host: '0.0.0.0' }, auth: { anonymous: true } }).auth.anonymous, true);
  t.equal(resolveServerOptions({ auth: { anonymous: false } }).auth.anonymous, false);
});

t.test('beyond loopback only pages of the same origin connect', async (t) => {
  const { http } = resolveServerOptions({ http: { host: '0.0.0.0' } });
  t.match(http, { endpoints: [{ allowedOrigins: [], allowedOriginPatterns: [] }] });
});

t.test('whoever names origins gets these and no loopback ones', async (t) => {
  const { http } = resolveServerOptions({
    http: {
      endpoints: [
        { path: '/a', allowedOrigins: ['https://a.example'] },
        { path: '/b', allowedOriginPatterns: ['*'] },
      ],
    },
  });
  t.match(http, {
    endpoints: [
      { allowedOrigins: ['https://a.example'], allowedOriginPatterns: [] },
      { allowedOrigins: [], allowedOriginPatterns: ['*'] },
    ],
  });
});

t.test('every fault has a line with path, value and wish', async (t) => {
  t.strictSame(
    faultsOf({
      http: { port: 'eighty', prot: 1, endpoints: [{ path: 'ws', sockjs: { heartbeatDelayMs: 0 } }] },
      tcp: { port: 65_536, tls: { certFile: 'a.pem' } },
      log: { level: 'loud' },
      broker: { heartBeat: { tolerance: 0 } },
      storage: {},
    }),
    [
      'broker.heartBeat.tolerance: got 0, wants 1 or more',
      'http.endpoints.0.path: got "ws", wants a path such as "/ws", without slash at the end, query or wildcard',
      'http.endpoints.0.sockjs.heartbeatDelayMs: got 0, wants a number from 1 to 2147483647',
      'http.port: got "eighty", wants a number from 0 to 65535',
      'http.prot: unknown option',
      'log.level: got "loud", wants one of trace, debug, info, warn, error, fatal, silent',
      'storage: unknown option',
      'tcp.port: got 65536, wants a number from 0 to 65535',
      'tcp.tls.keyFile: got nothing, wants text',
    ],
  );
});

t.test('what is no object is one fault', async (t) => {
  t.strictSame(faultsOf(5), ['got 5, wants an object']);
  t.strictSame(faultsOf([]), ['got a list, wants an object']);
  t.strictSame(faultsOf({ broker: 'fast' }), ['broker: got "fast", wants an object']);
  t.strictSame(faultsOf({ http: true }), ['http: got true, wants false or an object']);
});

t.test('an option of the broker that does not exist is refused', async (t) => {
  t.match(faultsOf({ broker: { limits: { maxConections: 1 } } }), [
    /^broker\.limits\.maxConections: got "maxConections", wants one of /,
  ]);
});

t.test('no fault shows a passcode', async (t) => {
  const faults = [
    ...faultsOf({ auth: { users: [{ login: 'a', passcode: 13371337 }] } }),
    ...faultsOf({ auth: { users: ['13371337'] } }),
    ...faultsOf({ auth: { users: [{ login: 'a', passcode: ['13371337'] }] } }),
    ...faultsOf({ auth: { users: '13371337' } }),
    ...faultsOf({ auth: { users: [{ login: 'a', passcode: 'x', roles: 13371337 }] } }),
  ];
  t.equal(faults.length, 5);
  t.notMatch(faults.join('\n'), /13371337/);
});

t.test('a way to log in closes anonymous access on loopback too, unless it is asked for', async (t) => {
  const ways: ServerOptions['auth'][] = [
    { users: [{ login: 'ann', passcode: 'x' }] },
    { passwordFile: 'users' },
    { jwt: { secret: 'x' } },
    { trustedHeader: { name: 'X-User-ID' } },
  ];
  for (const auth of ways) {
    t.equal(resolveServerOptions({ auth }).auth.anonymous, false);
    t.equal(resolveServerOptions({ auth: { ...auth, anonymous: true } }).auth.anonymous, true);
  }
  t.equal(resolveServerOptions({ auth: { rules: [{ allow: true }], csrf: true } }).auth.anonymous, true);
});

t.test('defaults of tokens, trusted header and CSRF check', async (t) => {
  const resolve = (auth: ServerOptions['auth']) => resolveServerOptions({ auth }).auth;
  t.strictSame(resolve({ jwt: { secret: 'x' } }).jwt, {
    keys: { secret: 'x' },
    algorithms: ['HS256', 'HS384', 'HS512'],
    issuer: undefined,
    audience: undefined,
    clockToleranceMs: 0,
    requireExpiry: false,
    userClaim: 'sub',
    rolesClaim: 'roles',
    from: ['authorization', 'query', 'connect'],
  });
  const { jwt } = resolve({
    jwt: { jwksUrl: 'https://a.example/keys', issuer: 'a', audience: ['b', 'c'], from: ['cookie:x'] },
  });
  t.match(jwt, {
    keys: { jwksUrl: 'https://a.example/keys', cacheMs: 600_000, cooldownMs: 30_000, timeoutMs: 5_000 },
    issuer: ['a'],
    audience: ['b', 'c'],
    from: ['cookie:x'],
  });
  t.notOk(
    jwt?.algorithms.some((algorithm) => algorithm.startsWith('HS')),
    'public keys never check HS',
  );
  t.strictSame(resolve({ trustedHeader: { name: 'X' } }).trustedHeader, { name: 'X', from: 'handshake' });
  const standard = { header: 'X-CSRF-TOKEN', cookie: 'XSRF-TOKEN', endpoints: undefined };
  t.strictSame(resolve({ csrf: true }).csrf, standard);
  t.strictSame(resolve({ csrf: { cookie: 'c', header: undefined } }).csrf, { ...standard, cookie: 'c' });
  t.equal(resolve({ csrf: false }).csrf, null);
});

t.test('faults of auth are named by their path', async (t) => {
  t.strictSame(
    faultsOf({
      auth: {
        passwordFile: '',
        trustedHeader: { name: 'X User', from: 'anywhere' },
        csrf: { headers: 'X' },
        rules: [{ action: 'publish', allow: true }, { destination: [], allow: 'yes' }, { allow: true, role: 'x' }, {}],
        jwt: { jwksUrl: 'ftp://a', algorithms: ['none'], from: ['header'], issuer: 1 },
      },
    }),
    [
      'auth.csrf.headers: unknown option',
      'auth.jwt.algorithms.0: got "none", wants one of HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA, Ed25519',
      'auth.jwt.from.0: got "header", wants "authorization", "query", "query:name", "cookie:name" or "connect"',
      'auth.jwt.issuer: got 1, wants text or a list of texts',
      'auth.jwt.jwksUrl: got "ftp://a", wants an http or https URL',
      'auth.passwordFile: got "", wants text',
      'auth.rules.0.action: got "publish", wants one of connect, send, subscribe, or a list of them',
      'auth.rules.1.allow: got "yes", wants true or false',
      'auth.rules.1.destination: got a list, wants text or a list of texts',
      'auth.rules.2.role: unknown option',
      'auth.rules.3.allow: got nothing, wants true or false',
      'auth.trustedHeader.from: got "anywhere", wants one of handshake, connect, both',
      'auth.trustedHeader.name: got "X User", wants the name of a header',
    ],
  );
});

t.test('tokens have one source of keys, and algorithms that go with it', async (t) => {
  const jwt = (given: object): readonly string[] => faultsOf({ auth: { jwt: given } });
  t.strictSame(jwt({}), ['auth.jwt: got no key, wants one of secret, secretFile, keyFile, jwksUrl']);
  t.strictSame(jwt({ secret: 'hunter2', keyFile: 'a' }), ['auth.jwt: got secret and keyFile, wants one of them']);
  t.strictSame(jwt({ secretFile: 'a', algorithms: ['HS256', 'RS256'] }), [
    'auth.jwt.algorithms.1: got "RS256" with secretFile, wants one with a shared secret',
  ]);
  t.strictSame(jwt({ jwksUrl: 'https://a.example/', algorithms: ['HS256'] }), [
    'auth.jwt.algorithms.0: got "HS256" with jwksUrl, wants an algorithm with public keys',
  ]);
  t.strictSame(jwt({ keyFile: 'a', algorithms: ['HS256', 'ES256'] }), []);
  const faults = [...jwt({ secret: 13371337 }), ...faultsOf({ auth: { jwt: '13371337' } })];
  t.equal(faults.length, 2);
  t.notMatch(faults.join(), /13371337/, 'a secret is not shown');
});

t.test('two endpoints cannot share a path', async (t) => {
  t.strictSame(faultsOf({ http: { endpoints: [{ path: '/ws' }, { path: '/ws' }] } }), [
    'http.endpoints.1.path: got "/ws" twice, wants it once',
  ]);
});

t.test('a server without any listener is refused', async (t) => {
  t.strictSame(faultsOf({ http: false, tcp: false }), ['tcp: got false, wants a listener, since http is false']);
});

t.test('the JSON Schema knows the same keys and allows no others', async (t) => {
  const schema = serverOptionsJsonSchema() as { properties: object; additionalProperties: boolean };
  t.strictSame(Object.keys(schema.properties).sort(), [
    'admin',
    'auth',
    'broker',
    'connectionLog',
    'data',
    'http',
    'log',
    'relay',
    'tcp',
    'workers',
  ]);
  t.equal(schema.additionalProperties, false);
});

t.test('rules for queues are filled, and a fault in one is named by its path', async (t) => {
  const { broker } = resolveServerOptions({ broker: { queues: [{ pattern: '/queue/jobs/**', ttlMs: 1_000 }] } });
  t.match(broker.queues, [{ pattern: '/queue/jobs/**', ttlMs: 1_000, maxDeliveries: 10, deadLetter: '/queue/DLQ' }]);
  const wrong = { broker: { queues: [{ pattern: '/queue/a' }, { pattern: '/queue/b', onFull: 'panic' }] } };
  t.strictSame(faultsOf(wrong), [
    'broker.queues[1].onFull: got "panic", wants "refuse" or "drop-oldest" or "dead-letter"',
  ]);
});

t.test('the connection log is off; true takes every default, which go by where it is kept', async (t) => {
  const resolve = (connectionLog: ServerOptions['connectionLog'], data?: string) =>
    resolveServerOptions({ connectionLog, data }).connectionLog;
  t.equal(resolve(undefined), false);
  t.equal(resolve(false, '/data'), false);
  const standard = {
    file: '/data/connections.db',
    flushIntervalMs: 1_000,
    retentionMs: 2_592_000_000,
    maxRows: 1_000_000,
    staleAfterMs: 3_600_000,
    cleanUpIntervalMs: 3_600_000,
    maxPendingRows: 100_000,
    userIdHeader: null,
    addressHeader: null,
  };
  t.strictSame(resolve(true, '/data'), standard);
  t.strictSame(resolve({}, '/data'), standard);
  t.strictSame(resolve(true), { ...standard, file: false, maxRows: 10_000 });
  t.strictSame(resolve({ file: false }, '/data'), { ...standard, file: false, maxRows: 10_000 });
  t.strictSame(resolve({ file: 'own.db', maxRows: 5, userIdHeader: 'X-User-ID' }), {
    ...standard,
    file: 'own.db',
    maxRows: 5,
    userIdHeader: 'X-User-ID',
  });
});

t.test('faults of the connection log are named by their path', async (t) => {
  t.strictSame(faultsOf({ connectionLog: 'yes' }), ['connectionLog: got "yes", wants true, false or an object']);
  t.strictSame(faultsOf({ connectionLog: { file: '', flushIntervalMs: 0, userIdHeader: 'X User', rows: 1 } }), [
    'connectionLog.file: got "", wants text',
    'connectionLog.flushIntervalMs: got 0, wants a number from 1 to 2147483647',
    'connectionLog.rows: unknown option',
    'connectionLog.userIdHeader: got "X User", wants the name of a header',
  ]);
});

t.test('a PROXY header is for plain TCP alone', async (t) => {
  t.match(resolveServerOptions({ tcp: { proxyProtocol: true } }).tcp, { proxyProtocol: true });
  const tls = { certFile: 'a.pem', keyFile: 'b.pem' };
  t.strictSame(faultsOf({ tcp: { proxyProtocol: true, tls } }), [
    'tcp.proxyProtocol: got true, wants false with tcp.tls: let the proxy end TLS',
  ]);
  t.strictSame(faultsOf({ tcp: { proxyProtocol: 'v2' } }), ['tcp.proxyProtocol: got "v2", wants true or false']);
  t.strictSame(faultsOf({ http: { proxyProtocol: true } }), ['http.proxyProtocol: unknown option']);
});

t.test('the relay is off; what is left open is as with Spring', async (t) => {
  t.equal(resolveServerOptions().relay, false);
  t.strictSame(resolveServerOptions({ relay: { type: 'stomp', port: 61614, reconnect: { jitter: 0 } } }).relay, {
    ...DEFAULT_RELAY_OPTIONS,
    port: 61614,
    reconnect: { initialDelayMs: 1_000, maxDelayMs: 30_000, jitter: 0 },
  });
});

t.test('faults of the relay are named by their path, passcodes not shown', async (t) => {
  t.strictSame(
    faultsOf({
      relay: {
        type: 'stomp',
        port: 0,
        destinationPrefixes: ['topic'],
        connections: 'pooled',
        clientPasscode: 7,
        reconnect: { jitter: 2 },
        heartBeat: 1,
      },
    }),
    [
      'relay.clientPasscode: got a value that is not shown, wants text',
      'relay.connections: got "pooled", wants "shared" or "per-client"',
      'relay.destinationPrefixes.0: got "topic", wants a list of prefixes, at least one, each with a slash in front',
      'relay.heartBeat: unknown option',
      'relay.port: got 0, wants a number from 1 to 65535',
      'relay.reconnect.jitter: got 2, wants a number from 0 to 1',
    ],
  );
  t.strictSame(faultsOf({ relay: { type: 'amqp' } }), ['relay.type: got "amqp", wants "stomp" or "redis"']);
  t.strictSame(faultsOf({ relay: {} }), ['relay.type: got nothing, wants "stomp" or "redis"']);
});

t.test('the relay between nodes: defaults, faults, and the URL not shown', async (t) => {
  t.strictSame(resolveServerOptions({ relay: { type: 'redis' } }).relay, DEFAULT_REDIS_RELAY_OPTIONS);
  const relay = { type: 'redis', url: 'rediss://r:6380', keyPrefix: '', reconnect: { jitter: 0 } } as const;
  t.match(resolveServerOptions({ relay }).relay, { ...relay, reconnect: { initialDelayMs: 100, jitter: 0 } });
  t.strictSame(
    faultsOf({
      relay: { type: 'redis', url: 'secret@host', tls: 1, keyPrefix: 'a b', pingIntervalMs: 0, host: 'x' },
    }),
    [
      'relay.host: unknown option',
      'relay.keyPrefix: got "a b", wants up to 64 printable characters without space or braces',
      'relay.pingIntervalMs: got 0, wants a number from 1 to 2147483647',
      'relay.tls: got 1, wants true, false or an object',
      'relay.url: got a value that is not shown, wants redis://host:port or rediss://host:port',
    ],
  );
});

t.test('where Redis is, is said once', async (t) => {
  const nodes = [{ host: 's', port: 26_379 }];
  const redis = (more: object): readonly string[] => faultsOf({ relay: { type: 'redis', ...more } });
  for (const good of [
    {
      sentinels: nodes,
      sentinelName: 'm',
      sentinelPassword: 'x',
      password: 'y',
      username: 'u',
      database: 2,
      tls: true,
    },
    { clusterNodes: nodes, password: 'y', tls: { caFile: 'ca.pem' } },
    { url: 'rediss://h/3', tls: { caFile: 'ca.pem' }, password: 'y' },
    { url: 'redis://u:p@h', database: 3 },
  ]) {
    t.match(resolveServerOptions({ relay: { type: 'redis', ...good } }).relay, good);
  }
  t.strictSame(redis({ url: 'redis://h', sentinels: nodes, clusterNodes: nodes, database: 1 }), [
    'relay.clusterNodes: got a list, wants nothing beside relay.sentinels',
    'relay.database: got 1, wants 0 with relay.clusterNodes: a Redis Cluster has no other',
    'relay.url: got a value that is not shown, wants nothing beside relay.sentinels',
  ]);
  t.strictSame(redis({ url: 'redis://u:p@h/1', sentinelName: 'm', username: 'u', database: 2, tls: true }), [
    'relay.database: got 2, wants 0, as relay.url has one',
    'relay.password: got a value that is not shown, wants none, as relay.url has one',
    'relay.password: got nothing, wants a password for relay.username',
    'relay.sentinelName: got a value that is not shown, wants nothing without relay.sentinels',
    'relay.tls: got TLS, wants a relay.url with rediss://',
  ]);
  t.strictSame(redis({ tls: true, sentinels: undefined }), [
    'relay.tls: got TLS, wants a relay.url with rediss://, relay.sentinels or relay.clusterNodes',
  ]);
  t.strictSame(redis({ url: 'redis://[' }), [
    'relay.url: got a value that is not shown, wants redis://host:port or rediss://host:port',
  ]);
  t.strictSame(redis({ sentinels: [], password: 7, clusterNodes: [{ host: 'a b', port: 0 }] }), [
    'relay.clusterNodes.0.host: got "a b", wants a host name or IP address',
    'relay.clusterNodes.0.port: got 0, wants a number from 1 to 65535',
    'relay.password: got a value that is not shown, wants text',
    'relay.sentinels: got a list, wants at least one node',
  ]);
});

t.test('how long requests may take, and how often credentials may be wrong', async (t) => {
  const { http, auth } = resolveServerOptions({
    http: { headersTimeoutMs: 5_000 },
    auth: { guesses: { maxPerAddress: 5 } },
  });
  t.match(http, { headersTimeoutMs: 5_000, requestTimeoutMs: 60_000 });
  t.strictSame(auth.guesses, { maxPerAddress: 5, maxPerLogin: 100, windowMs: 300_000 });
  t.equal(resolveServerOptions({ auth: { guesses: false } }).auth.guesses, null);
  t.throws(
    () => resolveServerOptions({ auth: { guesses: { maxPerAddress: 0 } } }),
    /auth\.guesses\.maxPerAddress: got 0/,
  );
  t.throws(() => resolveServerOptions({ http: { headersTimeoutMs: 0 } }), /http\.headersTimeoutMs: got 0/);
});
