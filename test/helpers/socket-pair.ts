/** Two ends of a Unix socket in one process, as a worker and the broker's process have them. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import path from 'node:path';
import type { Test } from 'tap';
import { temporaryDirectory } from './cli.js';

/** Gone with the test. */
export async function socketPair(t: Test): Promise<readonly [Socket, Socket]> {
  const file = path.join(temporaryDirectory(t), 'pair.sock');
  const server = createServer();
  server.listen(file);
  await once(server, 'listening');
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const near = connect(file);
  const [far] = await accepted;
  server.close();
  t.teardown(() => {
    near.destroy();
    far.destroy();
  });
  return [near, far];
}
