/**
 * What handlers are told by their pattern and schema, as types. The assertions are checked by the compiler: a wrong one
 * fails the build, and so does an error that is expected and does not come.
 */
/* eslint-disable @typescript-eslint/no-unnecessary-type-parameters -- type parameters are what is tested here */
/* eslint-disable @typescript-eslint/no-generated-empty-object-type -- no variables is such a type */
/* eslint-disable @typescript-eslint/no-unused-vars -- `typeof` is the only use of what handlers are given */
import t from 'tap';
import { z } from 'zod';
import type { Broker, HandlerContext, HandlerGroup, PathVariables, Reply } from '../../adapters/index.js';
import { BrokerFixture } from '../helpers/broker-fixture.js';
import { EVEN } from '../helpers/even.js';

/** True when the two are the same type, neither wider nor narrower. */
type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
/** Does not compile unless given true. */
function holds<_Fact extends true>(): void {
  // There is nothing to do when the program runs.
}
/** Reads a property's type through the mapped type, so that two ways to say it are equal. */
type Plain<T> = { [K in keyof T]: T[K] };

holds<Equal<Plain<PathVariables<'/plain'>>, Record<never, string>>>();
holds<Equal<Plain<PathVariables<'/chat/{room}'>>, { readonly room: string }>>();
holds<Equal<Plain<PathVariables<'/a/{x}/b/{y}'>>, { readonly x: string; readonly y: string }>>();
holds<Equal<Plain<PathVariables<'/orders/{id:\\d+}'>>, { readonly id: string }>>();
holds<Equal<Plain<PathVariables<'/files/{name}.{type}'>>, { readonly name: string; readonly type: string }>>();
holds<Equal<Plain<PathVariables<'/codes/{code:[A-Z]{3}}/{rest}'>>, { readonly code: string; readonly rest: string }>>();
holds<Equal<Plain<PathVariables<'red.blue.{g}'>>, { readonly g: string }>>();
holds<Equal<PathVariables<string>, Readonly<Record<string, string>>>>();
// @ts-expect-error: a variable that is not in the pattern is none of its variables
holds<Equal<keyof PathVariables<'/chat/{room}'>, 'room' | 'id'>>();

const ORDER = z.object({ symbol: z.string(), amount: z.coerce.number() });
const pattern: string = '/computed/at/run/time';

/** Never called: only its types count. */
export function register(broker: HandlerGroup): void {
  broker.message('/chat/{room}/{id:\\d+}', ({ variables, payload, user, headers }) => {
    holds<Equal<typeof variables.room, string>>();
    holds<Equal<typeof payload, unknown>>();
    holds<Equal<typeof user.name, string | null>>();
    holds<Equal<ReturnType<typeof headers.get>, string | undefined>>();
    // @ts-expect-error: the pattern has no {user}
    return variables.user as unknown;
  });

  broker.message(pattern, ({ variables }) => {
    holds<Equal<typeof variables, Readonly<Record<string, string>>>>();
    // With noUncheckedIndexedAccess a name that may not be there is no string.
    holds<Equal<(typeof variables)['anything'], string>>();
    const anything = variables['anything'];
    holds<Equal<typeof anything, string | undefined>>();
    return anything;
  });

  broker.message(
    '/orders/{desk}',
    ({ payload, variables }) => {
      holds<Equal<typeof payload, { symbol: string; amount: number }>>();
      holds<Equal<typeof variables.desk, string>>();
      // @ts-expect-error: the schema knows no price
      return payload.price as unknown;
    },
    { schema: ORDER },
  );

  broker.message('/text', ({ payload }) => payload.toUpperCase(), { schema: z.string() });
  broker.message(
    '/upper',
    ({ payload }) => {
      holds<Equal<typeof payload, number>>();
      return payload;
    },
    { schema: z.string().transform((text) => text.length) },
  );
  broker.message(
    '/maybe',
    ({ payload }) => {
      holds<Equal<typeof payload, string | undefined>>();
      return payload;
    },
    { schema: z.string().optional() },
  );

  // @ts-expect-error: without a schema a payload is unknown, and has to be looked at first
  broker.message('/unknown', ({ payload }) => payload.length as unknown);
  // @ts-expect-error: a schema has the interface of Standard Schema
  broker.message('/schema', () => undefined, { schema: { parse: (value: unknown) => value } });
  // @ts-expect-error: a destination is text
  broker.message('/reply', () => undefined, { sendTo: 5 });
  // @ts-expect-error: SUBSCRIBE has no body to check
  broker.subscribeMapping('/bodies', () => undefined, { schema: z.string() });

  broker.subscribeMapping('/prices/{symbol}', ({ variables: { symbol } }) => symbol.toUpperCase());
  broker.group('/rooms', (rooms) => {
    rooms.message('/{room}', ({ variables: { room } }) => room.toUpperCase());
  });
  broker.onError((error, { session, payload }) => {
    holds<Equal<typeof error, unknown>>();
    holds<Equal<typeof payload, unknown>>();
    return session.id;
  });
}

/** Never called: only its types count. */
export async function ask(broker: Broker): Promise<void> {
  const plain = await broker.request('/queue/work', { any: 'thing' }, { timeoutMs: 1_000, headers: { retries: 3 } });
  holds<Equal<typeof plain.payload, unknown>>();
  holds<Equal<typeof plain, Reply>>();
  holds<Equal<typeof plain.headers, ReadonlyMap<string, string>>>();
  holds<Equal<typeof plain.text, string>>();
  const checked = await broker.request('/queue/work', null, { schema: ORDER });
  holds<Equal<typeof checked.payload, { symbol: string; amount: number }>>();
  // @ts-expect-error: a header is text, a number or a flag
  await broker.request('/queue/work', null, { headers: { list: [] } });
  // @ts-expect-error: a schema has the interface of Standard Schema
  await broker.request('/queue/work', null, { schema: { parse: (value: unknown) => value } });
}

t.test('what is inferred is what a handler is given', async (t) => {
  const { broker } = new BrokerFixture();
  t.type(broker.message.bind(broker), 'function');
  register(broker);
  const context: Pick<HandlerContext<PathVariables<'/a/{b}'>, number>, 'payload' | 'variables'> = {
    payload: 1,
    variables: { b: 'c' },
  };
  t.equal(context.variables.b, 'c');
});

t.test('a schema of any library that speaks Standard Schema is understood', async (t) => {
  const fixture = new BrokerFixture();
  fixture.broker.message('/even', ({ payload }) => payload / 2, { schema: EVEN, sendTo: '/topic/r' });
  const client = fixture.connect();
  client.subscribe('s', '/topic/r');
  client.publish('/app/even', '42');
  client.publish('/app/even', '43');
  t.strictSame(client.bodies(), ['21']);
  t.match(fixture.log.at(-1), { message: 'Payload does not fit: payload: not an even number' });
});
