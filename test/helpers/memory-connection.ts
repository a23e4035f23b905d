/** The Connection without a socket: the one that users get in hoofbeat/testing. */
export { MemoryConnection, RAW } from '../../adapters/testing/memory-connection.js';
