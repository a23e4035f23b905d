/** The store of a cluster over a real redis-server: what every store does, and what is Redis' own. */
import t from 'tap';
import type { StoreContents } from '../../../../broker/ports.js';
import { storeContract, type StoreOptions } from '../../../contracts/store-contract.js';
import { RedisProcess } from '../../../helpers/redis-process.js';
import { inTime } from '../../../helpers/inbox.js';
import { testRedisStore } from '../../../helpers/redis-store.js';
import type { RedisStore } from '../../../../adapters/redis/index.js';

const redis = await RedisProcess.start(t);
let places = 0;
const DEADLINE_MS = 20_000;

/** Redis keeps a buffer as large as the last large argument of a connection, for some two seconds. */
async function freed(): Promise<void> {
  const { store, commands } = testRedisStore(redis.url);
  await store.open();
  const memory = async (name: string): Promise<number> =>
    Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(String(await commands.command('INFO', 'memory')))?.[1]);
  const limit = await memory('maxmemory');
  while ((await memory('used_memory')) + 20_000 > limit) await new Promise((resolve) => setTimeout(resolve, 50));
  await store.close();
}

/** What a store of the contract may take is a limit of Redis: above what it takes by itself. */
function limited(keyPrefix: string, { clock, maxBytes }: StoreOptions): RedisStore {
  const { store, commands } = testRedisStore(redis.url, { keyPrefix, clock });
  const limit = async (bytes: number): Promise<void> => {
    await commands.command('CONFIG', 'SET', 'maxmemory', bytes);
  };
  const open = store.open.bind(store);
  store.open = async (): Promise<StoreContents> => {
    const contents = await open();
    const used = Number(/used_memory:(\d+)/.exec(String(await commands.command('INFO', 'memory')))?.[1]);
    await limit(maxBytes === undefined ? 0 : used + maxBytes);
    return contents;
  };
  return store;
}

storeContract({
  name: 'RedisStore',
  survives: true,
  make: limited,
  newPlace: () => `place-${places++}:`,
  smallBytes: 512 * 1024,
  freed: () => inTime(freed(), 'the buffer', DEADLINE_MS),
});
