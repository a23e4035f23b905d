import { MemoryNetwork } from '../helpers/memory-node-relay.js';
import { requireProgram } from '../helpers/programs.js';
import { RedisProcess } from '../helpers/redis-process.js';
import { testRedisRelay } from '../helpers/redis-relay.js';
import { nodeRelayContract } from './node-relay-contract.js';

nodeRelayContract({
  name: 'MemoryNodeRelay',
  newCluster: () => {
    const network = new MemoryNetwork();
    return Promise.resolve(() => network.createRelay());
  },
});

nodeRelayContract({
  name: 'RedisRelay',
  newCluster: async (t) => {
    if (!requireProgram(t, 'redis-server')) return null;
    const { url } = await RedisProcess.start(t);
    return () => testRedisRelay(url);
  },
});
