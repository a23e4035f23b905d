/** The pages of the examples when their server goes away and comes back: by themselves, without an error that nobody catches. */
import type { FastifyInstance } from 'fastify';
import t from 'tap';
import { pickFreePort } from '../../adapters/workers/free-port.js';
import { createAuctionApp } from '../../examples/auction/server.js';
import { createJobStatusApp } from '../../examples/job-status/server.js';
import { Chats } from '../../examples/market-chat/chats.js';
import { createMarketChatApp } from '../../examples/market-chat/server.js';
import { createProjectRoomsApp } from '../../examples/project-rooms/server.js';
import { createUserProxyApp } from '../../examples/user-proxy/server.js';
import { Browser } from '../helpers/chromium.js';
import { inTime } from '../helpers/inbox.js';
import { requireProgram } from '../helpers/programs.js';

const LIMIT_MS = 20_000;
const logLevel = 'silent';
const secret = (): string => `the secret of one run ${Math.random()}${Math.random()}`;

/** Each as new: what it knew before is gone, tokens and sessions included. */
const APPS: Readonly<Record<string, () => Promise<FastifyInstance>>> = {
  auction: () => createAuctionApp({ logLevel }),
  'job-status': async () => (await createJobStatusApp({ logLevel, secret: secret(), demo: true })).app,
  'user-proxy': async () => (await createUserProxyApp({ logLevel, tcpPort: false })).app,
  'market-chat': () => {
    const chats = new Chats();
    chats.add({ id: 'clock', title: 'Clock', members: ['ann', 'bob'] });
    return createMarketChatApp({ logLevel, chats });
  },
  'project-rooms': async () => (await createProjectRoomsApp({ logLevel, secret: secret(), demo: true })).app,
};

t.test('every page comes back by itself after its server was started again', async (t) => {
  if (!requireProgram(t, 'chromium')) return;
  const browser = await Browser.start(t);
  const test = async (name: string, create: () => Promise<FastifyInstance>): Promise<void> => {
    const port = await pickFreePort('127.0.0.1');
    const run = async (): Promise<FastifyInstance> => {
      const app = await create();
      t.teardown(() => app.close());
      await app.listen({ port, host: '127.0.0.1' });
      return app;
    };
    const first = await run();
    const { page, complaints } = await browser.open(`http://127.0.0.1:${port}/`);
    const sees = (state: string): Promise<void> =>
      page.locator(`.state[data-state=${state}]`).first().waitFor({ timeout: LIMIT_MS });
    await sees('online');
    await inTime(first.close(), `${name} to close`, LIMIT_MS);
    await sees('lost');
    await run();
    await sees('online');
    t.strictSame(
      complaints.filter((text) => text.startsWith('uncaught')),
      [],
      name,
    );
  };
  await Promise.all(Object.entries(APPS).map(([name, create]) => test(name, create)));
});
