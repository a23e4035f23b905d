/** The broker inside a server of the application. */
export { createBroker, type EmbeddedBroker } from './create-broker.js';
export type { EmbeddedOptions } from './embedded-options.js';
export { hoofbeat, type HoofbeatPluginOptions } from './fastify-plugin.js';
