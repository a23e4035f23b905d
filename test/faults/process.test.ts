/** An error that nobody caught ends `hoofbeat serve`, and loses nothing that was confirmed; the library leaves it alone. */
import t from 'tap';
import { createBroker, createStompServer } from '../../adapters/index.js';
import { LoadClient } from '../crash/load-client.js';
import { temporaryDirectory } from '../helpers/cli.js';
import { inTime } from '../helpers/inbox.js';
import { until } from '../helpers/until.js';
import { recordFault } from './fault-record.js';
import { Served } from './served.js';

const PRELOAD = new URL('./uncaught.js', import.meta.url).href;
const OPTIONS = { http: false, tcp: { port: 0 } } as const;
const QUEUE = '/queue/kept';
/** The bug comes out while so many have their RECEIPT and others are on their way. */
const CONFIRMED = 50;

for (const what of ['exception', 'rejection'] as const) {
  t.test(`an uncaught ${what} is logged, what was confirmed is kept, and it ends with 1`, async (t) => {
    const directory = temporaryDirectory(t);
    const server = await Served.start(t, directory, OPTIONS, {
      preload: PRELOAD,
      environment: { HOOFBEAT_FAULT: what },
    });
    const confirmed = new Set<string>();
    const client = await LoadClient.open(server.ports.tcp, { onFault: () => undefined, onEnd: () => undefined });
    for (let k = 0; k < 20 * CONFIRMED; k++) {
      const onReceipt = (): void => {
        confirmed.add(String(k));
        if (confirmed.size === CONFIRMED) server.command.child.kill('SIGWINCH');
      };
      const headers = { destination: QUEUE, persistent: 'true' };
      client.request('SEND', headers, onReceipt, { body: Buffer.from(String(k)) });
    }
    const { exitCode, stderr } = await inTime(server.command.ended, 'the end');
    await client.closed;
    t.equal(exitCode, 1);
    const lines = stderr.trimEnd().split('\n');
    t.equal(lines.length, 1);
    t.match(JSON.parse(lines[0] ?? ''), {
      level: 60,
      err: { message: 'a bug of somebody', stack: /uncaught\.js/ },
      origin: what === 'exception' ? 'uncaughtException' : 'unhandledRejection',
    });

    // What it leaves is the same both times.
    if (what === 'rejection') return;
    const next = await Served.start(t, directory, OPTIONS);
    const left = new Set(confirmed);
    const heir = await LoadClient.open(next.ports.tcp, {
      onMessage: ({ body }) => left.delete(body.toString()),
      onFault: () => undefined,
      onEnd: () => undefined,
    });
    heir.send('SUBSCRIBE', { id: '0', destination: QUEUE });
    await until('what was confirmed', () => left.size === 0);
    heir.destroy();
    t.equal(await next.stop().then(() => next.command.child.exitCode), 0);
    recordFault({
      group: 'Process',
      fault: 'an uncaught exception, or rejection',
      defence: 'adapters/cli/crash-policy.ts',
      outcome: `logged with its stack, exit code 1; ${confirmed.size} messages had their RECEIPT, 0 lost`,
    });
  });
}

t.test('the library asks for no signal and no uncaught error of its process', async (t) => {
  const names = ['uncaughtException', 'unhandledRejection', 'SIGTERM', 'SIGINT', 'SIGHUP', 'SIGXFSZ'] as const;
  const counts = (): number[] => names.map((name) => process.listenerCount(name));
  const before = counts();
  const options = { ...OPTIONS, data: false, log: { level: 'silent' } } as const;
  const server = createStompServer(options);
  await server.start();
  const mounted = createBroker({ auth: { anonymous: true }, data: false, log: { level: 'silent' } });
  t.strictSame(counts(), before);
  await mounted.stop(0);
  await server.stop(0);
  t.strictSame(counts(), before);
});
