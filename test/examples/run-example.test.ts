/** How examples begin and end, as processes. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import path from 'node:path';
import t, { type Test } from 'tap';
import { operationFromEnvironment, operationOf } from '../../examples/shared/operation.js';
import { inTime } from '../helpers/inbox.js';

const EXAMPLES = path.resolve(import.meta.dirname, '../../examples');
const LIMIT_MS = 30_000;

interface Ended {
  readonly code: number | null;
  readonly errors: string;
}

/** @param onOutput told what it writes to standard output */
async function run(
  t: Test,
  example: string,
  environment: Record<string, string>,
  onOutput: (text: string, end: () => void) => void = () => undefined,
): Promise<Ended> {
  const child = spawn(process.execPath, [path.join(EXAMPLES, example, 'main.js')], {
    env: { ...process.env, ...environment },
  });
  t.teardown(() => child.kill('SIGKILL'));
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    onOutput(text, () => child.kill('SIGTERM'));
  });
  const [code] = (await inTime(once(child, 'close'), `the end of ${example}`, LIMIT_MS)) as [number | null];
  return { code, errors };
}

t.test('a port that is in use, or none, is one line and exit code 1', async (t) => {
  const busy = createServer();
  // Both addresses of localhost.
  await new Promise<void>((resolve) => busy.listen(0, resolve));
  t.teardown(() => busy.close());
  const port = String((busy.address() as AddressInfo).port);
  const [auction, all, tcp, junk] = await Promise.all([
    run(t, 'auction', { PORT: port }),
    run(t, 'all', { PORT: port, TCP_PORT: '0' }),
    run(t, 'user-proxy', { PORT: '0', TCP_PORT: port }),
    run(t, 'job-status', { PORT: '80a' }),
  ]);
  const inUse = `port ${port} on localhost is in use: PORT=8090, say, takes another\n`;
  t.strictSame(auction, { code: 1, errors: inUse });
  t.strictSame(all, { code: 1, errors: inUse });
  t.strictSame(tcp, { code: 1, errors: `port ${port} on 127.0.0.1 is in use\n` });
  t.strictSame(junk, { code: 1, errors: 'PORT: got "80a", wants a port, 0 to 65535\n' });
});

t.test('SIGTERM ends one that runs, with exit code 0', async (t) => {
  const ended = await run(t, 'auction', { PORT: '0' }, (text, end) => {
    if (/listening/i.test(text)) end();
  });
  t.strictSame(ended, { code: 0, errors: '' });
});

t.test('what operators set in the environment', async (t) => {
  t.strictSame(operationFromEnvironment({}), {});
  const set = operationFromEnvironment({ DATA: 'kept', REDIS_URL: 'redis://r', ADMIN_TOKEN: 'x', ADMIN_PORT: '0' });
  t.strictSame(set, {
    data: 'kept',
    relay: { type: 'redis', url: 'redis://r' },
    admin: { port: 0, tokens: [{ name: 'admin', role: 'admin', token: 'x' }] },
  });
  t.strictSame(operationOf({ ...set, ...{ secret: 's' } }), set);
});
