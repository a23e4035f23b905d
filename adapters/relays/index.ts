/** Relays: what stands between this node and others. */
export * from './redis/index.js';
export * from './stomp/index.js';
