/** The embedded example as a process: STOMP, plain STOMP and a route of the application on what one script starts. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import t, { type Test } from 'tap';
import { inTime } from '../helpers/inbox.js';
import { RawClient } from '../helpers/raw-client.js';
import { overWebSocket, StompjsClient } from '../helpers/stompjs-client.js';

const SCRIPT = path.resolve(import.meta.dirname, '../../examples/embedded/main.js');

interface Ports {
  readonly http: number;
  readonly tcp: number;
  stop(): Promise<number | null>;
}

/** Starts the example on free ports, which it tells in its log. */
async function startExample(t: Test): Promise<Ports> {
  const child = spawn(process.execPath, [SCRIPT], {
    env: { ...process.env, PORT: '0', TCP_PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  const ports = new Promise<{ http: number; tcp: number }>((resolve) => {
    let tcp = 0;
    createInterface(child.stdout).on('line', (line) => {
      const { msg, transport, port } = JSON.parse(line) as { msg: string; transport?: string; port?: number };
      if (transport === 'tcp') tcp = port ?? 0;
      const http = /^Server listening at http:\/\/127\.0\.0\.1:(\d+)/.exec(msg)?.[1];
      if (http !== undefined) resolve({ http: Number(http), tcp });
    });
  });
  return {
    ...(await inTime(ports, 'the example to listen', 20_000)),
    async stop() {
      const exit = once(child, 'exit') as Promise<[number | null]>;
      child.kill('SIGTERM');
      return (await inTime(exit, 'the example to end'))[0];
    },
  };
}

t.test('an order is answered to its sender, told to the topic, and counted at /stats', async (t) => {
  const example = await startExample(t);
  const buyer = await StompjsClient.connect(t, overWebSocket(example.http));
  const orders = await buyer.subscribe('/user/queue/orders');
  const watcher = await StompjsClient.connect(t, overWebSocket(example.http));
  const shop = await watcher.subscribe('/topic/shops/7');
  const worker = await RawClient.openFor(t, example.tcp);
  t.ok(worker.socket.readyState, 'open');
  buyer.client.publish({ destination: '/app/shops/7/order', body: '{"item":"oats","count":2}' });
  const order = { id: 1, item: 'oats', count: 2 };
  t.strictSame(JSON.parse((await orders.next()).body), order);
  t.strictSame(JSON.parse((await shop.next()).body), order);
  t.match(await (await fetch(`http://127.0.0.1:${example.http}/stats`)).json(), { connections: { current: 3 } });
  t.equal(await example.stop(), 0);
  t.match(await inTime(buyer.closed, 'the close'), { code: 1001 });
});
