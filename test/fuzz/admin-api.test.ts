/**
 * Every operation of the admin API's own document, with parameters and bodies by their schemas, sound or not: the status of the
 * answer is one the document names, what is answered is what it says, and none is a fault of the server.
 */
import t from 'tap';
import { startAdmin, type TestRole } from '../helpers/admin.js';
import { faultsOf, valueFor, type JsonSchema, type Resolve } from '../helpers/json-schema.js';
import { RawClient } from '../helpers/raw-client.js';
import type { SeededRandom } from '../helpers/seeded-random.js';
import { fuzz } from './fuzz-run.js';

interface Operation {
  readonly operationId: string;
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: string;
    readonly required: boolean;
    readonly schema: JsonSchema;
  }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: JsonSchema }>> };
  readonly responses: Readonly<Record<string, Response>>;
}

interface Response {
  readonly $ref?: string;
  readonly content?: Readonly<Record<string, { readonly schema: JsonSchema }>>;
}

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, JsonSchema>>;
    readonly responses: Readonly<Record<string, Response>>;
  };
}

/** `tapFrames` goes on, `startDrain` would end what the others are asked about, and `setLogLevel` would write to the test's report. */
const ANN = { login: 'ann', passcode: 'p' };
const LEFT_OUT = ['tapFrames', 'startDrain', 'setLogLevel'];
const ODD_TEXTS: readonly [string, ...string[]] = [
  '/queue/a',
  '/topic/a',
  'ann',
  'x',
  '1',
  '-1',
  '9e9',
  '%2e%2e',
  '\u0000',
  '\ud83d',
  '__proto__',
  'y'.repeat(1_100),
];

function textFor(random: SeededRandom, schema: JsonSchema, resolve: Resolve, known: readonly string[]): string {
  if (random.chance(0.4)) return known[random.between(0, known.length - 1)] ?? 'x';
  if (random.chance(0.3)) return random.pick(ODD_TEXTS);
  const value = valueFor(random, schema, resolve, 0.1);
  return typeof value === 'string' ? value : JSON.stringify(value);
}

t.test('whatever is asked by the document is answered by it', async (t) => {
  const admin = await startAdmin(t, { rateLimit: false }, { auth: { users: [{ login: 'ann', passcode: 'p' }] } });
  const document = (await admin.ask('GET', '//docs/json')).body as Document;
  const resolve: Resolve = (ref) => {
    const schema = document.components.schemas[ref.replace('#/components/schemas/', '')];
    if (schema === undefined) throw new Error(`${ref} is not there`);
    return schema;
  };
  const operations = Object.entries(document.paths)
    .flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]) => ({ path, method, operation })))
    .filter(({ operation }) => !LEFT_OUT.includes(operation.operationId));
  const [first] = operations;
  if (first === undefined) throw new Error('no operation');
  const known = ['ann', '/queue/a', '/queue/b', '1', '2'];
  const open = async (): Promise<RawClient> => {
    const client = await RawClient.openFor(t, admin.tcpPort);
    const welcome = await client.connect('1.2', ANN);
    known.push(welcome.headers.find(([name]) => name === 'session')?.[1] ?? '');
    client.sendFrame('SUBSCRIBE', { destination: '/topic/a', id: '0', selector: "a = 'b'" });
    client.sendFrame('SEND', { destination: '/queue/a' }, '{"a":1}');
    await client.fence();
    return client;
  };
  await open();
  const seen = new Map<string, number>();
  let asked = 0;
  await fuzz(t, 'admin API by its document', 60, async (random) => {
    // Those that were there have been ended, and the queue emptied, by what was asked.
    if (++asked % 100 === 0) await open();
    const { path, method, operation } = random.pick([first, ...operations.slice(1)]);
    const query = new URLSearchParams();
    let place = path.replace('/api/v1', '');
    for (const { name, in: where, required, schema } of operation.parameters ?? []) {
      const text = textFor(random, schema, resolve, known);
      if (where === 'path') place = place.replace(`{${name}}`, encodeURIComponent(Buffer.from(text).toString()));
      else if (required || random.chance(0.3)) query.append(name, text);
    }
    const schema = operation.requestBody?.content['application/json']?.schema;
    const body = schema === undefined ? undefined : valueFor(random, schema, resolve, 0.15);
    const as: TestRole = random.chance(0.9) ? 'admin' : 'viewer';
    const answer = await admin.ask(method.toUpperCase(), `${place}${query.size === 0 ? '' : `?${query.toString()}`}`, {
      as,
      body,
    });
    const said = `${method} ${place}?${query.toString()} ${JSON.stringify(body)}: ${answer.status} ${answer.text.slice(0, 300)}`;
    seen.set(operation.operationId, (seen.get(operation.operationId) ?? 0) + (answer.status < 300 ? 1 : 0));
    const given = operation.responses[String(answer.status)];
    if (given === undefined || answer.status === 500) throw new Error(`not documented: ${said}`);
    const response =
      given.$ref === undefined
        ? given
        : document.components.responses[given.$ref.replace('#/components/responses/', '')];
    const [type = '', content] = Object.entries(response?.content ?? {})[0] ?? [];
    if (!(answer.headers.get('content-type') ?? '').startsWith(type)) throw new Error(`not ${type}: ${said}`);
    const faults = faultsOf(answer.body, content?.schema ?? {}, resolve);
    if (faults.length > 0) throw new Error(`${faults.slice(0, 3).join('; ')}: ${said}`);
  });
  t.comment([...seen].map(([name, done]) => `${name} ${done}`).join(', '));
  const probe = await RawClient.openFor(t, admin.tcpPort);
  await probe.connect('1.2', ANN);
  await probe.fence();
});
