/**
 * Messages of a client of a JSON endpoint, with LFs between them. Each is answered once, in JSON, whatever it is; the client's
 * session ends with it, and no mapping fails.
 */
import { configuredMapping } from '../../../adapters/gateways/index.js';
import { resolveJsonGatewayOptions } from '../../../adapters/gateways/json/json-options.js';
import { JsonSession } from '../../../adapters/gateways/json/json-session.js';
import { DEFAULT_JSON_ENDPOINT_OPTIONS } from '../../../adapters/config/index.js';
import { recordingLogger } from '../../../adapters/testing/recorded-log.js';
import { BrokerFixture } from '../../helpers/broker-fixture.js';
import { MemoryConnection } from '../../helpers/memory-connection.js';
import type { SeededRandom } from '../../helpers/seeded-random.js';
import { releaseIds, restartIds } from './steady-ids.js';
import type { Target } from './target.js';

const TYPES = [
  'subscribe',
  'unsubscribe',
  'send',
  'ack',
  'nack',
  'ping',
  '__proto__',
  'constructor',
  'toString',
] as const;
const DESTINATIONS = [
  '/topic/a',
  '/topic/*',
  '/queue/a',
  '/user/queue/a',
  '/temp-queue/a',
  '',
  '/topic/a\\u0000SEND\\n\\n',
  '/topic/\\ud800',
  '__proto__',
] as const;
const VALUES = [
  '1',
  'null',
  '{"a":[1,{"b":2}]}',
  '"\\ud800"',
  '{"__proto__":{"x":1}}',
  '1e999',
  '"client"',
  '""',
  '[]',
] as const;
const FIELDS = ['payload', 'id', 'ack', 'selector', 'replay', 'persistent', 'type', '__proto__', 'user'] as const;
/** More would be taken for a flood. */
const MAX_MESSAGES = 60;
/** Turns until nothing goes on any more, however the messages wait for each other. */
const MAX_TURNS = 2_000;

export const jsonGateway: Target = {
  name: 'JSON gateway',
  covers: ['adapters/gateways/'],
  separator: 10,
  maxBytes: 2_000,
  words: [...TYPES, ...DESTINATIONS, ...VALUES, ...FIELDS.map((field) => `"${field}":`), '{', '}', '"', ','],
  generate(random) {
    return Buffer.from(Array.from({ length: random.between(1, 6) }, () => message(random)).join('\n'));
  },
  run: check,
  stop: releaseIds,
};

function message(random: SeededRandom): string {
  const fields = [
    `"type":"${random.pick(TYPES)}"`,
    `"destination":${random.chance(0.9) ? `"${random.pick(DESTINATIONS)}"` : random.pick(VALUES)}`,
    ...Array.from({ length: random.between(0, 3) }, () => `"${random.pick(FIELDS)}":${random.pick(VALUES)}`),
  ];
  return `{${fields.filter(() => random.chance(0.95)).join(',')}}`;
}

async function check(input: Buffer): Promise<void> {
  restartIds();
  const fixture = new BrokerFixture();
  const { broker, clock, log } = fixture;
  const outer = new MemoryConnection((task) => {
    clock.soon(task);
  });
  const host = {
    accept: broker.accept.bind(broker),
    authenticator: { authenticate: () => ({ name: 'ann', roles: [] }) },
    session: (id: string) => broker.operations.session(id),
    clock,
    logger: recordingLogger(log, 'error'),
  };
  const mapping = configuredMapping(DEFAULT_JSON_ENDPOINT_OPTIONS);
  const options = resolveJsonGatewayOptions({ paths: {}, mapping });
  const parts = { counts: { received: 0, sent: 0, refused: 0 }, onGone: () => undefined };
  const session = new JsonSession(options, host, { outer, handshake: null }, parts);
  outer.listener = session;
  if (!session.start(true)) throw new Error('not let in');
  await idle(fixture);
  const messages = input.toString('latin1').split('\n').slice(0, MAX_MESSAGES);
  for (const [k, text] of messages.entries()) {
    outer.feed(Buffer.from(text, 'latin1'), true);
    if (k % 3 === 0) await idle(fixture);
  }
  await idle(fixture);
  const wasClosed = outer.closedWith !== null;
  checkAnswers(outer.take(), wasClosed ? null : messages.length);
  outer.vanish();
  await idle(fixture);
  const { connections, subscriptions, temporaryQueues } = broker.stats();
  if (connections.current + subscriptions + temporaryQueues > 0) throw new Error('something is left behind');
  const error = log.find(({ level, message: text }) => level === 'error' || text === 'internal error');
  if (error !== undefined) throw new Error(JSON.stringify(error));
}

/** All that waits for a promise or the end of the turn has gone on. */
async function idle({ clock }: BrokerFixture): Promise<void> {
  let quiet = 0;
  for (let turns = 0; quiet < 3; turns++) {
    if (turns > MAX_TURNS) throw new Error('it does not come to rest');
    quiet = clock.isIdle ? quiet + 1 : 0;
    clock.turn();
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
  }
}

/** @param sent null where the client was closed: then not all need an answer */
function checkAnswers(octets: Buffer, sent: number | null): void {
  const answers = jsonObjects(octets.toString());
  const delivered = answers.filter(({ type }) => type === 'message').length;
  const [first] = answers;
  if (first?.['type'] !== 'connected') throw new Error(`the first is ${JSON.stringify(first)}`);
  if (sent !== null && answers.length - delivered !== sent + 1)
    throw new Error(`${answers.length - delivered - 1} answers to ${sent} messages: ${octets.toString()}`);
}

/** What was written one behind the other: none holds a raw brace between strings that JSON would not balance. */
function jsonObjects(text: string): Readonly<Record<string, unknown>>[] {
  const objects: Record<string, unknown>[] = [];
  let depth = 0;
  let from = 0;
  let isText = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (isText) {
      if (character === '\\') at++;
      else if (character === '"') isText = false;
    } else if (character === '"') isText = true;
    else if (character === '{') depth++;
    else if (character === '}' && --depth === 0) {
      objects.push(JSON.parse(text.slice(from, at + 1)) as Record<string, unknown>);
      from = at + 1;
    }
  }
  if (from !== text.length) throw new Error(`no JSON: ${text.slice(from)}`);
  return objects;
}
