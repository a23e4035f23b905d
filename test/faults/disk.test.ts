/**
 * The data file is moved or removed under a server that runs: what it would write is lost with the process. A full disk, one
 * that fails, files that are damaged, read-only or in use are in test/adapters/stores/sqlite-store and test/crash/ (restart,
 * store-failure).
 */
import { renameSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { temporaryDirectory } from '../helpers/cli.js';
import { openConnected } from '../helpers/raw-client.js';
import { startTestServer, type TestServer } from '../helpers/server.js';
import { until } from '../helpers/until.js';
import { recordFault } from './fault-record.js';

const QUEUE = '/queue/kept';

for (const what of ['file', 'directory'] as const) {
  t.test(`the data ${what} is moved away: nothing is confirmed that the next start would not find`, async (t) => {
    const data = path.join(temporaryDirectory(t), 'data');
    const moved = what === 'file' ? path.join(data, 'hoofbeat.db') : data;
    const server = await startTestServer({ http: false, data });
    t.teardown(server.stop);
    const send = async ({ tcpPort }: TestServer, body: string): Promise<string> => {
      const client = await openConnected(t, tcpPort);
      client.sendFrame('SEND', { destination: QUEUE, persistent: 'true', receipt: body }, body);
      const frame = await client.frame();
      client.destroy();
      return frame.command === 'RECEIPT' ? 'confirmed' : (frame.get('code') ?? '');
    };
    t.equal(await send(server, 'before'), 'confirmed');
    renameSync(moved, `${moved}.away`);
    t.equal(await send(server, 'meanwhile'), 'store-failed');
    const { problems } = server.server.broker.health();
    t.match(problems, [{ part: 'store', code: 'store-failed', message: /hoofbeat\.db/ }]);
    renameSync(`${moved}.away`, moved);
    await until('it is taken again', async () => (await send(server, 'after')) === 'confirmed');
    t.equal(server.server.broker.health().isOk, true);
    await server.stop();

    const next = await startTestServer({ http: false, data });
    t.teardown(next.stop);
    const heir = await openConnected(t, next.tcpPort);
    await heir.subscribe(QUEUE);
    const bodies = (await heir.messages(2)).map(({ text }) => text);
    t.strictSame(bodies, ['before', 'after']);
    recordFault({
      group: 'Disk',
      fault: `the data ${what} is moved away, and put back`,
      defence: 'adapters/stores/sqlite-room.ts',
      outcome: `SEND is answered store-failed; health: ${String(problems[0]?.message).replace(/^.*(?=hoofbeat\.db)/, '')}; goes on when it is back, nothing confirmed is lost`,
    });
  });
}
