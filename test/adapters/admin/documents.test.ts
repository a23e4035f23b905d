import { Parser } from '@asyncapi/parser';
import { Validator } from '@seriousme/openapi-schema-validator';
import fastify from 'fastify';
import t from 'tap';
import { z } from 'zod';
import { AdminAccess } from '../../../adapters/admin/admin-access.js';
import type { AdminParts } from '../../../adapters/admin/admin-parts.js';
import { registerAdmin } from '../../../adapters/admin/admin-plugin.js';
import { startAdmin } from '../../helpers/admin.js';

interface OpenApi {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, unknown>>>>>>;
}

t.test('the OpenAPI document is one, by a validator of its own', async (t) => {
  const { ask } = await startAdmin(t);
  const { body, status } = await ask('GET', '//docs/json', { as: null });
  t.equal(status, 200);
  t.equal((body as OpenApi).openapi, '3.1.0');
  t.strictSame(await new Validator().validate(body as Record<string, unknown>), { valid: true });
});

t.test('it describes exactly the routes that exist', async (t) => {
  const { ask } = await startAdmin(t);
  const { paths } = (await ask('GET', '//docs/json', { as: null })).body as OpenApi;
  const described = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  const app = fastify();
  const served: string[] = [];
  app.addHook('onRoute', ({ method, url, prefix }) => {
    const path = url.replace(/:(\w+)/g, '{$1}');
    if (prefix === '/api/v1') served.push(...[method].flat().map((each) => `${each} ${path}`));
  });
  const token = { name: 'x', role: 'admin' as const, token: 'x'.repeat(16) };
  const parts = {
    broker: { operations: { drain: {} } },
    access: new AdminAccess([token], null),
    server: { version: '1' },
    console: null,
  } as unknown as AdminParts;
  await app.register((scope) =>
    registerAdmin(scope, parts, { allowedOrigins: [], rateLimit: null, docs: true, metrics: false }),
  );
  await app.ready();
  t.ok(served.length > 25);
  // Fastify answers HEAD wherever there is GET.
  t.strictSame(described.sort(), served.filter((each) => !each.startsWith('HEAD ')).sort());
});

t.test('with the WebSocket side of the server in it, it is still one', async (t) => {
  const { ask, server } = await startAdmin(t, {}, { broker: { history: [{ pattern: '/topic/kept/*' }] } });
  const tree = z.object({
    name: z.string(),
    get children() {
      return z.array(tree);
    },
  });
  const order = z.object({ amount: z.number().min(1) });
  server.broker.message('/orders/{id:[0-9]+}', () => 'done', { schema: order, sendToUser: '/queue/done' });
  server.broker.message('/trees', () => undefined, { schema: tree });
  server.broker.subscribeMapping('/state', () => 'now');
  const { body, status } = await ask('GET', '/openapi', { as: 'viewer' });
  t.equal(status, 200);
  t.strictSame(await new Validator().validate(structuredClone(body) as Record<string, unknown>), { valid: true });
  t.match(body, {
    openapi: '3.1.0',
    paths: { '/api/v1/sessions': {}, '/api/v1/openapi': {} },
    'x-websocket': { path: '/ws', protocol: 'stomp', endpoints: [{ path: '/ws', sockjs: true }] },
    webhooks: {
      '/user/queue/done': { post: {} },
      '/topic/kept/*': { post: { summary: /keeps messages/ } },
    },
    components: {
      schemas: {
        Problem: {},
        AppOrdersId: { properties: { amount: { minimum: 1 } } },
        AppTrees: { $id: 'urn:hoofbeat:schema:AppTrees', properties: { children: { items: { $ref: '#' } } } },
      },
    },
  });
  const { events } = (body as { 'x-websocket': { events: { 'client-to-server': readonly object[] } } })['x-websocket'];
  t.match(
    events['client-to-server'].find((event) => 'name' in event && event.name === '/app/orders/{id}'),
    { summary: /SEND by a client/, schema: { $ref: '#/components/schemas/AppOrdersId' } },
  );
  t.match(events['client-to-server'].map((event) => ('name' in event ? event.name : '')).sort(), [/^\/app/]);
});

t.test('a server without WebSocket has no such side', async (t) => {
  const { ask } = await startAdmin(t, {}, { http: false });
  t.notOk('x-websocket' in ((await ask('GET', '/openapi')).body as object));
});

t.test('it says which role each operation needs, and what can go wrong', async (t) => {
  const { ask } = await startAdmin(t);
  const { paths } = (await ask('GET', '//docs/json', { as: null })).body as OpenApi;
  t.match(paths['/api/v1/queues/{queue}/messages']?.['delete'], {
    operationId: 'purgeQueue',
    'x-required-role': 'operator',
    parameters: [{ name: 'queue', in: 'path', required: true }],
    responses: { 200: {}, 400: {}, 401: {}, 403: {}, 404: {}, 429: {}, 500: {}, 503: {} },
  });
  t.match(paths['/api/v1/health/live']?.['get'], { security: [] });
});

t.test('the pages take nothing from elsewhere', async (t) => {
  const { ask } = await startAdmin(t);
  for (const path of ['//docs/static/index.html', '//docs/async']) {
    const { status, text, headers } = await ask('GET', path, { as: null });
    t.equal(status, 200, path);
    t.match(headers.get('content-type'), /^text\/html/);
    t.notMatch(text, /(src|href)="(https?:)?\/\//);
    const policy = headers.get('content-security-policy') ?? '';
    t.match(policy, /default-src 'none'/);
    t.match(policy, /script-src 'self';/);
    t.notMatch(policy, /https?:/);
  }
  for (const path of ['//docs/static/swagger-ui-bundle.js', '//docs/async/page.js', '//docs/async/page.css']) {
    t.equal((await ask('GET', path, { as: null })).status, 200, path);
  }
});

t.test('docs can be switched off', async (t) => {
  const { ask } = await startAdmin(t, { docs: false });
  for (const path of ['//docs', '//docs/json', '//docs/async']) t.equal((await ask('GET', path)).status, 404);
  t.equal((await ask('GET', '/asyncapi')).status, 200);
});

t.test('the AsyncAPI document is one, by its own parser, and tells of endpoints, handlers and rules', async (t) => {
  const { ask, server, tcpPort, httpPort } = await startAdmin(
    t,
    {},
    {
      http: { endpoints: [{ path: '/ws' }, { path: '/native', sockjs: false }] },
      broker: {
        queues: [{ pattern: '/queue/jobs/**', durable: true }],
        history: [{ pattern: '/topic/prices/*' }],
      },
    },
  );
  const { broker } = server;
  broker.message('/greet/{room:[a-z]+}', () => 'hi', { schema: z.object({ name: z.string() }) });
  broker.message('/quiet', () => undefined, { sendTo: '/topic/loud', sendToUser: true });
  broker.subscribeMapping('/all', () => []);
  const { body } = await ask('GET', '/asyncapi', { as: 'viewer' });
  const { document, diagnostics } = await new Parser().parse(JSON.stringify(body));
  t.strictSame(
    diagnostics
      .filter(({ severity }) => (severity as number) === 0)
      .map(({ message, path }) => `${path.join('.')}: ${message}`),
    [],
  );
  if (document === undefined) return t.fail('it cannot be read');
  const servers = document
    .allServers()
    .all()
    .map((each) => `${each.protocol()}://${each.host()}${each.pathname() ?? ''}`);
  t.strictSame(servers.sort(), [
    `http://127.0.0.1:${String(httpPort)}/ws`,
    `stomp://127.0.0.1:${String(tcpPort)}`,
    `ws://127.0.0.1:${String(httpPort)}/native`,
    `ws://127.0.0.1:${String(httpPort)}/ws`,
  ]);
  const addresses = document
    .allChannels()
    .all()
    .map((channel) => channel.address());
  for (const address of [
    '/app/greet/{room}',
    '/topic/greet/{room}',
    '/app/quiet',
    '/topic/loud',
    '/user/queue/quiet',
    '/app/all',
  ]) {
    t.ok(addresses.includes(address), address);
  }
  for (const address of ['/topic/{name}', '/queue/{name}', '/user/queue/{name}', '/queue/jobs/**', '/topic/prices/*']) {
    t.ok(addresses.includes(address), address);
  }
  const greet = document
    .allChannels()
    .all()
    .find((channel) => channel.address() === '/app/greet/{room}');
  t.match(greet?.messages().all()[0]?.payload()?.json(), { type: 'object', properties: { name: { type: 'string' } } });
  const handled = document
    .allOperations()
    .all()
    .find((operation) => operation.id() === 'handle-quiet');
  t.equal(handled?.action(), 'receive');
  t.equal(handled?.reply()?.channel()?.address(), '/topic/loud');
});

t.test('the page of destinations is made for viewers, with what applications say escaped', async (t) => {
  const { ask, server } = await startAdmin(t);
  server.broker.message('/<script>', () => undefined);
  t.equal((await ask('GET', '//docs/async/content', { as: null })).status, 401);
  const { text, headers } = await ask('GET', '//docs/async/content', { as: 'viewer' });
  t.match(headers.get('content-type'), /^text\/html/);
  t.match(text, /<code>\/app\/&lt;script&gt;<\/code>/);
  t.notMatch(text, /<script/);
});
