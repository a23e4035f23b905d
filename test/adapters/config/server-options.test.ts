/** Defaults, what changes beyond loopback, and faults of the options object. */
import t from 'tap';
import {
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
  t.match(options.tcp, { host: '127.0.0.1', port: 61613, tls: undefined });
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
    /^broker\.limits\.maxConections: got 1, wants one of /,
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
  t.strictSame(Object.keys(schema.properties).sort(), ['auth', 'broker', 'data', 'http', 'log', 'tcp']);
  t.equal(schema.additionalProperties, false);
});
