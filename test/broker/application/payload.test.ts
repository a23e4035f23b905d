import t from 'tap';
import { encodePayload, readPayload } from '../../../broker/application/payload.js';
import type { StandardSchema } from '../../../broker/application/standard-schema.js';

/** A schema that takes what `takes` takes and counts how often it was asked. */
function schema(
  takes: (value: unknown) => boolean,
  asynchronous = false,
): StandardSchema & { readonly asked: unknown[] } {
  const asked: unknown[] = [];
  const judge = (value: unknown): { value: unknown } | { issues: { message: string }[] } => {
    asked.push(value);
    return takes(value) ? { value } : { issues: [{ message: `not ${typeof value}` }] };
  };
  const validate = (value: unknown): ReturnType<typeof judge> | Promise<ReturnType<typeof judge>> =>
    asynchronous ? Promise.resolve(judge(value)) : judge(value);
  return { asked, '~standard': { version: 1, vendor: 'test', validate } };
}

const read = (body: string, type?: string, by?: StandardSchema): unknown => readPayload(Buffer.from(body), type, by);

t.test('octets that leave are a copy: the application may reuse its memory', async (t) => {
  const pool = Buffer.from('xxabcxx');
  const { body } = encodePayload(new Uint8Array(pool.buffer, pool.byteOffset + 2, 3));
  pool.fill(0);
  t.equal(body.toString(), 'abc');
});

t.test('a content-type is read without its parameters and in any case of letters', async (t) => {
  t.strictSame(read('[1]', 'Application/JSON ; charset=UTF-8'), [1]);
  t.strictSame(read('[1]', 'application/vnd.api+json'), [1]);
  t.equal(read('[1]', 'TEXT/markdown'), '[1]');
  t.equal(read('[1]', ''), '[1]');
  t.strictSame(read('[1]', 'application/xml'), Buffer.from('[1]'));
});

t.test('JSON that is none is refused, an empty body is undefined', async (t) => {
  t.throws(() => read('{', 'application/json'), { code: 'payload-invalid', message: 'The body is no JSON' });
  t.equal(read('', 'application/json'), undefined);
});

t.test('__proto__ in JSON is a key like any other', async (t) => {
  const value = read('{"__proto__":{"admin":true}}', 'application/json') as object;
  t.equal((value as { admin?: boolean }).admin, undefined);
  t.ok(Object.hasOwn(value, '__proto__'));
});

t.test(
  'without content-type a schema is offered JSON first for objects and lists, text first for all else',
  async (t) => {
    const anything = schema(() => true);
    for (const body of ['{"a":1}', ' [1]', '1', 'true', '"s"', 'text', '{broken']) read(body, undefined, anything);
    t.strictSame(anything.asked, [{ a: 1 }, [1], '1', 'true', '"s"', 'text', '{broken']);
    t.equal(
      read(
        '1',
        undefined,
        schema((value) => typeof value === 'number'),
      ),
      1,
    );
    t.equal(
      read(
        '{"a":1}',
        undefined,
        schema((value) => typeof value === 'string'),
      ),
      '{"a":1}',
    );
  },
);

t.test('a body that fits in no reading is refused for what it looks like', async (t) => {
  const nothing = schema(() => false);
  t.throws(() => read('{"a":1}', undefined, nothing), { message: 'Payload does not fit: payload: not object' });
  t.throws(() => read('text', undefined, nothing), { message: 'Payload does not fit: payload: not string' });
  t.throws(() => read('{broken', undefined, nothing), { message: 'The body is no JSON' });
  t.strictSame(nothing.asked, [{ a: 1 }, '{"a":1}', 'text', '{broken']);
});

t.test('an asynchronous schema is asked the same way', async (t) => {
  const numbers = schema((value) => typeof value === 'number', true);
  t.equal(await read('1', undefined, numbers), 1);
  await t.rejects(read('x', undefined, numbers) as Promise<unknown>, { code: 'payload-invalid' });
});

t.test('a schema gets no octets of a type that nobody reads', async (t) => {
  const anything = schema(() => true);
  t.throws(() => read('<a/>', 'application/xml', anything), { code: 'payload-invalid', message: /application\/xml/ });
  t.strictSame(read('<a/>', 'application/octet-stream', anything), Buffer.from('<a/>'));
});

t.test('a schema that throws is a fault of the schema, not of the payload', async (t) => {
  const broken: StandardSchema = {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: () => {
        throw new TypeError('broken');
      },
    },
  };
  t.throws(() => read('1', undefined, broken), TypeError);
});

t.test('paths of issues name keys, indices and objects with a key', async (t) => {
  const issues = [{ message: 'a', path: ['list', 0, { key: 'name' }] }, { message: 'b', path: [] }, { message: 'c' }];
  const refuses: StandardSchema = { '~standard': { version: 1, vendor: 'test', validate: () => ({ issues }) } };
  t.match(
    t.throws(() => read('x', 'text/plain', refuses)),
    { detail: 'list.0.name: a\npayload: b\npayload: c' },
  );
});
