/** Relays: what stands between this node and others. */
export * from './stomp/index.js';
