import path from 'node:path';
import { MemoryStore, SqliteStore } from '../../adapters/stores/index.js';
import { storeContract } from './store-contract.js';

let places = 0;

storeContract({
  name: 'MemoryStore',
  survives: false,
  make: (_place, options) => new MemoryStore(options),
  newPlace: () => '',
  smallBytes: 128 * 1024,
});

storeContract({
  name: 'SqliteStore',
  survives: true,
  make: (directory, options) => new SqliteStore({ directory, ...options }),
  newPlace: (t) => path.join(t.testdir(), String(places++)),
  smallBytes: 512 * 1024,
});
