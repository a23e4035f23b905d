/** More than one process on one machine: workers hold the sockets, the broker stays one. */
export { WorkerPool, type WorkerPoolParts, type WorkerState } from './worker-pool.js';
export { PoolMemory } from './pool-memory.js';
export { pickFreePort } from './free-port.js';
export { LINK_FD } from './worker-process.js';
export { WorkerEnd, type WorkerEndOwner } from './worker-end.js';
export type { WorkerReport, WorkerSetup } from './link-messages.js';
export { SockJsRelay } from './sockjs-relay.js';
