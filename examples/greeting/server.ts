/**
 * The greeting of Spring's guide "Using WebSocket to build an interactive web application" on hoofbeat: one `/app` handler
 * in a Fastify application that also serves the page. The browser's libraries are the guide's, unchanged.
 */
import fastify, { type FastifyInstance, LogController } from 'fastify';
import { z } from 'zod';
import { type Broker, hoofbeat } from '../../adapters/index.js';
import { servePage } from '../shared/page.js';

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
  await servePage(app, 'greeting', { title: 'Greetings over STOMP', libraries: ['sockjs.js', 'stomp.js'] });
  return app;
}
