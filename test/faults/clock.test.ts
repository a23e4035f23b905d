/** The system's time of day jumps under a real process: half a minute, an hour forward, two hours back. */
import t from 'tap';
import { temporaryDirectory } from '../helpers/cli.js';
import { openConnected } from '../helpers/raw-client.js';
import { recordFault } from './fault-record.js';
import { Served } from './served.js';

const PRELOAD = new URL('./stepped-clock.js', import.meta.url).href;
const HOUR_MS = 3_600_000;
const STEPS = [30_000, HOUR_MS, -2 * HOUR_MS] as const;

t.test('half a minute, an hour forward, two hours back: nobody is cut, nothing expires that should not', async (t) => {
  const options = { http: false, tcp: { port: 0 } } as const;
  const how = { preload: PRELOAD, environment: { HOOFBEAT_STEPS: STEPS.join(',') } };
  const server = await Served.start(t, temporaryDirectory(t), options, how);
  const bystander = await openConnected(t, server.ports.tcp);
  const publisher = await openConnected(t, server.ports.tcp);
  let stepped = 0;
  const jump = async (): Promise<void> => {
    stepped++;
    server.command.child.kill('SIGWINCH');
    await server.command.until(({ stderr }) => stderr.split('stepped').length > stepped, 'the jump');
  };
  const publish = async (body: string, expiration: number): Promise<void> => {
    const headers = { destination: '/queue/q', persistent: 'true', expiration: String(expiration), receipt: body };
    publisher.sendFrame('SEND', headers, body);
    await publisher.receipt(body);
  };
  const bodies = async (count: number): Promise<string[]> => {
    const client = await openConnected(t, server.ports.tcp);
    await client.subscribe('/queue/q');
    const messages = await client.messages(count);
    // What comes next is not to go to it.
    client.sendFrame('DISCONNECT', { receipt: 'bye' });
    await client.receipt('bye');
    return messages.map(({ text }) => text);
  };

  await publish('lives 20 s', 20_000);
  await jump();
  t.strictSame(await bodies(1), ['lives 20 s'], 'half a minute ends no time to live of 20 s');
  await publish('lives two hours', 2 * HOUR_MS);
  await publish('lives a minute', 60_000);
  await jump();
  t.strictSame(await bodies(1), ['lives two hours'], 'an hour is taken for the truth');
  await publish('before', HOUR_MS);
  await jump();
  await publish('after', HOUR_MS);
  t.strictSame(await bodies(2), ['before', 'after']);
  await bystander.fence();
  await publisher.fence();
  for (const client of [bystander, publisher]) client.sendFrame('DISCONNECT');
  await server.stop();
  recordFault({
    group: 'Clock',
    fault: 'the time of day jumps: +30 s, +1 h, −2 h',
    defence: 'adapters/time-of-day.ts; durations by the monotonic clock',
    outcome:
      'every session lives, RECEIPTs go on; a time to live of 20 s outlives the half minute, one of a minute not the hour; order kept',
  });
});
