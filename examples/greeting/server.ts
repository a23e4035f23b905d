/**
 * The greeting of Spring's guide "Using WebSocket to build an interactive web application" on hoofbeat: one `/app` handler
 * in a Fastify application that also serves the page. The browser's libraries are the guide's, unchanged.
 */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import fastify, { type FastifyInstance, LogController } from 'fastify';
import { z } from 'zod';
import { type Broker, hoofbeat } from '../../adapters/index.js';

const HelloMessage = z.object({ name: z.string().trim().min(1).max(100) });

/** What the guide's GreetingController is; apart from the server, so that it can be tested without one. */
export function registerGreeting(broker: Broker): void {
  broker.message('/hello', ({ payload }) => ({ content: `Hello, ${payload.name}!` }), {
    schema: HelloMessage,
    sendTo: '/topic/greetings',
  });
}

/** The application, not listening yet. */
export async function createGreetingServer(level = 'info'): Promise<FastifyInstance> {
  const app = fastify({ logger: { level }, logController: new LogController({ disableRequestLogging: true }) });
  await app.register(hoofbeat, { endpoints: [{ path: '/gs-guide-websocket' }], auth: { anonymous: true } });
  registerGreeting(app.broker);
  for (const [url, file] of FILES) {
    const content = await readFile(file);
    const type = TYPES[path.extname(file)] ?? 'application/octet-stream';
    app.get(url, (_request, reply) => reply.type(type).send(content));
  }
  return app;
}

const require = createRequire(import.meta.url);
// Compiled, this file lies in dist/examples/greeting; the page stays where its source is.
const PUBLIC = path.resolve(import.meta.dirname, '../../../examples/greeting/public');
const FILES: readonly (readonly [url: string, file: string])[] = [
  ['/', path.join(PUBLIC, 'index.html')],
  ['/app.js', path.join(PUBLIC, 'app.js')],
  ['/style.css', path.join(PUBLIC, 'style.css')],
  ['/lib/sockjs.js', require.resolve('sockjs-client/dist/sockjs.min.js')],
  ['/lib/stomp.js', require.resolve('stompjs/lib/stomp.min.js')],
];
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
};
