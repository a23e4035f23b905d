/** The relay between nodes over Redis. */
export { RedisRelay, type RedisRelayOptions } from './redis-relay.js';
