/** Spans and trace headers on real servers, by a tracer provider registered with the OpenTelemetry API. */
import { context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import t, { type Test } from 'tap';
import type { Broker } from '../../../broker/index.js';
import { composeTracing } from '../../../adapters/tracing/index.js';
import { MemoryTracer } from '../../helpers/memory-tracer.js';
import { requireProgram } from '../../helpers/programs.js';
import { RawClient } from '../../helpers/raw-client.js';
import { RedisProcess } from '../../helpers/redis-process.js';
import { startNodes } from '../../helpers/redis-nodes.js';
import { startTestServer } from '../../helpers/server.js';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = '00f067aa0ba902b7';
const TRACEPARENT = `00-${TRACE}-${PARENT}-01`;

interface Scene {
  readonly broker: Broker;
  readonly client: RawClient;
}

async function scene(t: Test): Promise<Scene> {
  const { server, tcpPort, stop } = await startTestServer({
    http: false,
    auth: { users: [{ login: 'ann', passcode: 'x' }] },
  });
  t.teardown(stop);
  const client = await RawClient.openFor(t, tcpPort);
  await client.connect('1.2', { login: 'ann', passcode: 'x' });
  return { broker: server.broker, client };
}

t.test('without a provider nobody is asked, and headers go on as they are', async (t) => {
  t.equal(composeTracing(), null);
  const { broker, client } = await scene(t);
  broker.message('/echo', ({ payload }) => payload, { sendTo: '/topic/echo' });
  await client.subscribe('/topic/echo', 'e');
  await client.subscribe('/topic/plain', 'p');
  for (const destination of ['/topic/plain', '/app/echo']) {
    client.sendFrame('SEND', { destination, traceparent: TRACEPARENT, tracestate: 'a=1' }, 'x');
    const message = await client.frame('MESSAGE');
    t.strictSame([message.get('traceparent'), message.get('tracestate')], [TRACEPARENT, 'a=1'], destination);
  }
  client.sendFrame('SEND', { destination: '/app/echo' }, 'x');
  t.equal((await client.frame('MESSAGE')).get('traceparent'), undefined);
});

t.test('a SEND that is traced has a span between its parent and its MESSAGE; others begin no trace', async (t) => {
  const tracer = MemoryTracer.register(t);
  const { client } = await scene(t);
  await client.subscribe('/topic/news');
  client.sendFrame('SEND', { destination: '/topic/news' }, 'quiet');
  t.equal((await client.frame('MESSAGE')).get('traceparent'), undefined);
  t.equal(tracer.spans.length, 0);
  client.sendFrame('SEND', { destination: '/topic/news', traceparent: TRACEPARENT, tracestate: 'a=1,b=2' }, 'x');
  const message = await client.frame('MESSAGE');
  const [span] = tracer.spans;
  t.match(span, {
    name: 'publish /topic/news',
    kind: SpanKind.SERVER,
    traceId: TRACE,
    parentId: PARENT,
    isEnded: true,
    attributes: {
      'messaging.system': 'hoofbeat',
      'messaging.operation.name': 'publish',
      'messaging.operation.type': 'send',
      'messaging.destination.name': '/topic/news',
    },
  });
  t.equal(message.get('traceparent'), `00-${TRACE}-${span?.spanId}-01`);
  t.equal(message.get('tracestate'), 'a=1,b=2');
  t.equal(message.raw.filter(([name]) => name === 'traceparent').length, 1);
  for (const bad of ['00-xyz', `ff-${TRACE}-${PARENT}-01`, `00-${'0'.repeat(32)}-${PARENT}-01`]) {
    client.sendFrame('SEND', { destination: '/topic/news', traceparent: bad }, 'x');
    t.equal((await client.frame('MESSAGE')).get('traceparent'), bad, 'what is none begins no trace and is left alone');
  }
  t.equal(tracer.spans.length, 1);
});

t.test('a handler has a span, and what it sends and answers hangs below it', async (t) => {
  const tracer = MemoryTracer.register(t);
  const { broker, client } = await scene(t);
  broker.message(
    '/orders/{id}',
    async ({ variables }) => {
      await new Promise((resolve) => setImmediate(resolve));
      await broker.convertAndSend('/topic/audit', 'seen');
      return { id: variables['id'] };
    },
    { sendToUser: '/queue/done' },
  );
  await client.subscribe('/topic/audit', 'a');
  await client.subscribe('/user/queue/done', 'd');
  const headers = { destination: '/app/orders/7', traceparent: TRACEPARENT, 'correlation-id': 'c1' };
  client.sendFrame('SEND', headers, '{}');
  const [audit, done] = await client.messages(2);
  const process = tracer.named('process /orders/{id}');
  t.match(process, {
    kind: SpanKind.CONSUMER,
    traceId: TRACE,
    parentId: PARENT,
    isEnded: true,
    attributes: {
      'messaging.operation.type': 'process',
      'messaging.destination.name': '/app/orders/7',
      'messaging.destination.template': '/orders/{id}',
      'messaging.message.conversation_id': 'c1',
      'session.id': String,
    },
  });
  const sent = tracer.named('send /topic/audit');
  t.match(sent, { kind: SpanKind.PRODUCER, traceId: TRACE, parentId: process?.spanId, isEnded: true });
  t.equal(audit?.get('traceparent'), `00-${TRACE}-${sent?.spanId}-01`);
  const reply = tracer.named('send /user/{user}/queue/done');
  t.match(reply, { parentId: process?.spanId, attributes: { 'messaging.destination.name': '/user/ann/queue/done' } });
  t.equal(done?.get('traceparent'), `00-${TRACE}-${reply?.spanId}-01`);
  t.equal(tracer.spans.length, 3);
});

t.test('faults are in the spans, and change nothing for clients', async (t) => {
  const tracer = MemoryTracer.register(t);
  const { broker, client } = await scene(t);
  broker.message('/sync', () => {
    throw new TypeError('no');
  });
  broker.message('/async', async () => Promise.reject(new RangeError('neither')));
  for (const path of ['/sync', '/async']) client.sendFrame('SEND', { destination: `/app${path}` }, 'x');
  await client.fence();
  for (const [path, type] of [
    ['/sync', 'TypeError'],
    ['/async', 'RangeError'],
  ] as const) {
    t.match(tracer.named(`process ${path}`), {
      status: { code: SpanStatusCode.ERROR },
      attributes: { 'error.type': type },
      exceptions: 1,
      isEnded: true,
      parentId: undefined,
    });
  }
  client.sendFrame('SEND', { destination: `/topic/${'x'.repeat(3_000)}`, traceparent: TRACEPARENT }, 'x');
  await client.expectError();
  t.match(tracer.spans.at(-1), { attributes: { 'error.type': 'destination-invalid' }, isEnded: true });
});

t.test('the application’s own messages begin a trace, or go on with the one they are sent in', async (t) => {
  const tracer = MemoryTracer.register(t);
  const { broker, client } = await scene(t);
  await client.subscribe('/topic/own');
  await broker.convertAndSend('/topic/own', 'root');
  const root = tracer.named('send /topic/own');
  t.equal(root?.parentId, undefined);
  t.equal((await client.frame('MESSAGE')).get('traceparent'), `00-${root?.traceId}-${root?.spanId}-01`);
  const work = trace.getTracer('test').startSpan('work');
  await context.with(trace.setSpan(context.active(), work), () => broker.convertAndSend('/topic/own', 'inside'));
  t.equal(tracer.spans.at(-1)?.parentId, work.spanContext().spanId);
  await broker.convertAndSend('/topic/own', 'named', { traceparent: TRACEPARENT });
  t.match(tracer.spans.at(-1), { traceId: TRACE, parentId: PARENT });
});

t.test('a trace goes on over nodes', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const tracer = MemoryTracer.register(t);
  const redis = await RedisProcess.start(t);
  const [here, there] = await startNodes(t, redis, 2);
  const [sender, receiver] = [
    await RawClient.openFor(t, here?.tcpPort ?? 0),
    await RawClient.openFor(t, there?.tcpPort ?? 0),
  ];
  for (const client of [sender, receiver]) await client.connect();
  await receiver.subscribe('/topic/far', 'f');
  await receiver.subscribe('/queue/far', 'q');
  for (const destination of ['/topic/far', '/queue/far']) {
    sender.sendFrame('SEND', { destination, traceparent: TRACEPARENT, tracestate: 'a=1' }, 'x');
    const message = await receiver.frame('MESSAGE');
    const span = tracer.named(`publish ${destination}`);
    t.equal(message.get('traceparent'), `00-${TRACE}-${span?.spanId}-01`, destination);
    t.equal(message.get('tracestate'), 'a=1');
  }
  t.equal(tracer.spans.length, 2, 'one for each message, on the node that took it on');
});
