/** Relays to external brokers. */
export * from './stomp/index.js';
