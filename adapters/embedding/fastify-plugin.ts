/**
 * The broker as a Fastify plugin: STOMP endpoints on the application's own port, its logger, `app.broker` and
 * `app.connectionLog`.
 */
import type { FastifyPluginAsync } from 'fastify';
import type { Broker } from '../../broker/broker.js';
import type { CompositionPorts } from '../composition.js';
import type { ConnectionLog } from '../connection-log/index.js';
import type { EmbeddedOptions } from './embedded-options.js';
import { MountedBroker } from './mounted-broker.js';

declare module 'fastify' {
  interface FastifyInstance {
    /** The STOMP broker of this application, once the hoofbeat plugin is registered. */
    broker: Broker;
    /** Null unless the plugin's options switch it on. */
    connectionLog: ConnectionLog | null;
  }
}

/** As for createBroker; the logger is the application's unless another is given. */
export interface HoofbeatPluginOptions extends Omit<EmbeddedOptions, 'log'>, CompositionPorts {}

/**
 * `await app.register(hoofbeat, { endpoints, auth })`: serves the endpoints on the server of `app`, whole paths whatever the
 * prefix, in front of Fastify's own routes and hooks. Clients are let in, and the `tcp` listener opens, when the
 * application is ready; `app.close()` ends every session (WebSocket status 1001) before it closes the server.
 * @throws OptionsError naming every option that is wrong; FST_ERR_DEC_ALREADY_PRESENT when registered twice
 */
const plugin: FastifyPluginAsync<HoofbeatPluginOptions> = async (app, options) => {
  const { authenticator, authenticate, authorizer, clock, connectionSink, gateways, logger, ...embedded } = options;
  const own = { authenticator, authenticate, authorizer, clock, connectionSink, gateways };
  const ports = { ...own, logger: logger ?? app.log };
  const mounted = new MountedBroker(embedded, ports);
  app.decorate('broker', mounted.broker);
  app.decorate('connectionLog', mounted.connectionLog);
  const { server } = app;
  mounted.mount(server);
  // For `localhost` Fastify opens a second server, whose upgrades it passes on to the first and whose requests it does not.
  app.addHook('onRequest', async (request, reply) => {
    if (mounted.take(server, request.raw, reply.raw)) reply.hijack();
  });
  app.addHook('onReady', () => mounted.start());
  // Not onClose: that comes after the server has closed, and an open WebSocket keeps it from closing.
  app.addHook('preClose', () => mounted.stop());
};

/** What the package fastify-plugin would set: the decorator belongs to the application, not to a context of the plugin's. */
export const hoofbeat = Object.assign(plugin, {
  [Symbol.for('skip-override')]: true,
  [Symbol.for('fastify.display-name')]: 'hoofbeat',
  [Symbol.for('plugin-meta')]: { name: 'hoofbeat', fastify: '5.x' },
});

export default hoofbeat;
