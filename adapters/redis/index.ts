/** What nodes of a cluster do over Redis. */
export { RedisClients, type RedisClientsOptions } from './connection/redis-clients.js';
export { RedisCommands, type RedisCommandsOptions } from './connection/redis-commands.js';
export { RedisKeys } from './connection/redis-keys.js';
export { RedisSignals } from './connection/redis-signals.js';
export { RedisHistories, type RedisHistoriesPorts } from './history/redis-histories.js';
export { RedisMembers, type RedisMembersOptions } from './members/redis-members.js';
export { RedisRelay, type RedisRelayOptions } from './relay/redis-relay.js';
export { RedisStore, type RedisStoreOptions, type RedisStorePorts } from './store/redis-store.js';
