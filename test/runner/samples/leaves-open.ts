/** A sample for the runner's tests: its process would never end by itself. */
import { createServer } from 'node:net';
import t from 'tap';

t.test('a server that nobody closes', async (t) => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, resolve));
  t.ok(server.listening);
});
