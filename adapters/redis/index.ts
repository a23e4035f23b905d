/** What nodes of a cluster do over Redis. */
export { RedisRelay, type RedisRelayOptions } from './relay/redis-relay.js';
