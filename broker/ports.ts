/**
 * Every interface through which the broker meets the outside, by what it is about.
 * The broker takes implementations by constructor; adapters/stomp-server.ts chooses them.
 */
export type * from './ports/connections.js';
export type * from './ports/access.js';
export type * from './ports/store.js';
export type * from './ports/shared-queues.js';
export type * from './ports/shared-inboxes.js';
export type * from './ports/shared-store.js';
export type * from './ports/broker-relay.js';
export type * from './ports/node-relay.js';
export type * from './ports/cluster-members.js';
export type * from './ports/node-histories.js';
export type * from './ports/tracing.js';
export type * from './ports/process.js';
