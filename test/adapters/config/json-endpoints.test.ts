/** Endpoints for JSON messages that a configuration describes: their form, and what is wrong with it. */
import t from 'tap';
import {
  DEFAULT_JSON_ENDPOINT_OPTIONS,
  OptionsError,
  resolveServerOptions,
  type ServerOptions,
} from '../../../adapters/config/index.js';
import { createBroker } from '../../../adapters/index.js';

/** @param http what a file may really hold */
function faultsOf(http: unknown, more: ServerOptions = {}): readonly string[] {
  try {
    resolveServerOptions({ ...more, http: http as ServerOptions['http'] });
    return [];
  } catch (error) {
    if (error instanceof OptionsError) return error.faults;
    throw error;
  }
}

t.test('there is none unless one is given; a path is enough', async (t) => {
  t.match(resolveServerOptions().http, { jsonEndpoints: [] });
  t.match(resolveServerOptions({ http: { jsonEndpoints: [{ path: '/json' }] } }).http, {
    jsonEndpoints: [
      { path: '/json', sockjs: true, allowedOrigins: 'loopback', timeoutMs: 60_000, ...DEFAULT_JSON_ENDPOINT_OPTIONS },
    ],
  });
});

t.test('what messages are given takes the place of the default; false is nothing', async (t) => {
  const messages = { say: { action: 'send', destination: '/app/say' } } as const;
  const { http } = resolveServerOptions({
    http: { jsonEndpoints: [{ path: '/json', messages, opened: false, pingIntervalMs: 0 }] },
  });
  t.match(http, { jsonEndpoints: [{ opened: false, pingIntervalMs: 0, timeoutMs: 0 }] });
  t.strictSame(http !== false && http.jsonEndpoints[0]?.messages, messages);
});

t.test('every fault is named by its path', async (t) => {
  const json = (part: object): readonly string[] => faultsOf({ jsonEndpoints: [{ path: '/json', ...part }] });
  const at = 'http.jsonEndpoints.0.';
  for (const [part, fault] of [
    [
      { path: 'json' },
      `${at}path: got "json", wants a path such as "/ws", without slash at the end, query or wildcard`,
    ],
    [{ typedLines: true }, `${at}typedLines: unknown option`],
    [{ maxErrors: true }, `${at}maxErrors: got true, wants false or a number`],
    [{ typeField: 'a b' }, `${at}typeField: got "a b", wants the name of a field: letters, digits and _`],
    [{ messages: [] }, `${at}messages: got a list, wants an object of messages by their type`],
    [
      { messages: { a: { action: 'dance' } } },
      `${at}messages.a.action: got "dance", wants one of subscribe, unsubscribe, send, ack, nack, reply`,
    ],
    [
      { messages: { a: { action: 'send', destination: 'rooms' } } },
      `${at}messages.a.destination: got "rooms", wants a destination such as "/topic/rooms/{room}", or one field such as "{destination}"`,
    ],
    [
      { messages: { a: { action: 'subscribe' } } },
      `${at}messages.a.destination: got nothing, wants a value for action "subscribe"`,
    ],
    [
      { messages: { a: { action: 'ack', id: '{id}', destination: '/topic/a' } } },
      `${at}messages.a.destination: unknown option for action "ack"`,
    ],
    [{ messages: { a: { action: 'reply' } } }, `${at}messages.a.then: got nothing, wants a value for action "reply"`],
  ] as const) {
    t.strictSame(json(part), [fault]);
  }
});

t.test('a path belongs to one endpoint, and none lies below SockJS', async (t) => {
  t.strictSame(faultsOf({ jsonEndpoints: [{ path: '/ws' }] }), [
    'http.jsonEndpoints.0.path: got "/ws" twice, wants it once',
  ]);
  t.strictSame(faultsOf({ endpoints: [{ path: '/a/b' }], jsonEndpoints: [{ path: '/a' }] }), [
    'http.jsonEndpoints.0.path: got "/a", wants one that "/a/b" does not lie below',
  ]);
  t.strictSame(faultsOf({ endpoints: [{ path: '/a/b' }], jsonEndpoints: [{ path: '/a', sockjs: false }] }), []);
});

t.test('not with workers, and not in an application, which has gateways', async (t) => {
  t.strictSame(faultsOf({ jsonEndpoints: [{ path: '/json' }] }, { workers: 2 }), [
    'http.jsonEndpoints: wants none with workers: what JSON messages mean is known where the broker is',
  ]);
  t.throws(() => createBroker({ http: { jsonEndpoints: [] } } as never), /http: unknown option/);
});
