/** hoofbeat as anyone would start it, on free ports, for fan-out.bench.ts. */
import { createStompServer } from '../../adapters/index.js';
import { serveParent } from './server-process.js';

const server = createStompServer({ http: { port: 0 }, tcp: { port: 0 }, log: { level: 'warn' } });
const addresses = await server.start();
const portOf = (transport: string): number => addresses.find((address) => address.transport === transport)?.port ?? 0;
serveParent({ tcpPort: portOf('tcp'), httpPort: portOf('http') });
