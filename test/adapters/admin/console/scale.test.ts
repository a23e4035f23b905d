/** The console in front of 20,000 sessions: pages stay small, and so does the page. */
import type { Page } from 'playwright-core';
import t from 'tap';
import { NowhereConnection } from '../../../../bench/in-process/crowd.js';
import type { Broker } from '../../../../broker/broker.js';
import { openAs, show, startConsole, WAIT } from '../../../helpers/console.js';
import { requireProgram } from '../../../helpers/programs.js';

const SESSIONS = 20_000;
const PAGES = 12;
const MB = 1024 * 1024;
/** A view of fifty lines with its buttons has some 1,300. */
const MAX_NODES = 4_000;
const MAX_HEAP_BYTES = 30 * MB;

async function crowd(broker: Broker): Promise<void> {
  for (let k = 0; k < SESSIONS; k++) {
    const connection = new NowhereConnection();
    connection.listener = broker.accept(connection);
    connection.feed(`CONNECT\naccept-version:1.2\nhost:test\nheart-beat:0,0\nlogin:user-${String(k)}\n\n\0`);
    connection.feed(`SUBSCRIBE\nid:0\ndestination:/topic/t${String(k % 500)}\n\n\0`);
    if (k % 500 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
}

async function weigh(page: Page): Promise<{ readonly nodes: number; readonly heapBytes: number }> {
  const session = await page.context().newCDPSession(page);
  await session.send('HeapProfiler.collectGarbage');
  await session.send('Performance.enable');
  const { metrics } = await session.send('Performance.getMetrics');
  await session.detach();
  const of = (name: string): number => metrics.find((each) => each.name === name)?.value ?? Infinity;
  return { nodes: of('Nodes'), heapBytes: of('JSHeapUsedSize') };
}

/** Lines that a view shows, first and last. */
async function ends(page: Page): Promise<readonly string[]> {
  const links = await page.locator('tbody tr td:first-child a').allTextContents();
  return [String(links.length), links[0] ?? '', links.at(-1) ?? ''];
}

t.test('20,000 sessions', async (t) => {
  if (!requireProgram(t, 'chromium')) return;
  const authenticator = {
    authenticate: ({ login = null }: { login?: string | undefined | null }) => ({ name: login, roles: [] }),
  };
  const started = await startConsole(t, { broker: { limits: { maxConnections: 50_000 } } }, {}, { authenticator });
  await crowd(started.server.broker);

  await t.test('a page of a list is answered soon', async (t) => {
    for (const path of [
      '/sessions',
      '/sessions?sort=-connectedAt',
      '/sessions?sort=user',
      '/sessions?user=nobody',
      '/users',
      '/subscriptions',
      '/stats',
    ]) {
      const from = performance.now();
      const { status } = await started.ask('GET', path);
      t.equal(status, 200, path);
      t.comment(`${path}: ${(performance.now() - from).toFixed(1)} ms`);
    }
  });

  await t.test('leafing through them leaves nothing behind', async (t) => {
    const { page, complaints } = await openAs(started, 'operator');
    await page.locator('[data-tile=sessions] strong', { hasText: '20,001' }).waitFor(WAIT);
    await show(page, '#/connections?sort=user', 'Connections');
    // The one without a name is this console's own.
    await page.getByRole('link', { name: 'user-0', exact: true }).waitFor(WAIT);
    t.strictSame(await ends(page), ['50', 'anonymous', 'user-1004']);
    t.match(await page.locator('[data-pager]').textContent(), /Page 1 · 20,001 connections in all/);
    const before = await weigh(page);
    for (let k = 2; k <= PAGES; k++) {
      await page.getByRole('button', { name: 'Next' }).click();
      await page.locator('[data-pager]', { hasText: `Page ${String(k)} ` }).waitFor(WAIT);
      await page.locator('[aria-busy=false] tbody tr').first().waitFor(WAIT);
    }
    const after = await weigh(page);
    t.comment(`nodes ${String(before.nodes)} -> ${String(after.nodes)}`);
    t.comment(`heap ${(before.heapBytes / MB).toFixed(1)} -> ${(after.heapBytes / MB).toFixed(1)} MB`);
    t.ok(after.nodes < MAX_NODES, `${String(after.nodes)} nodes`);
    t.ok(after.heapBytes < MAX_HEAP_BYTES, `${String(after.heapBytes)} octets`);
    t.equal((await ends(page))[0], '50');
    await page.getByRole('button', { name: 'Previous' }).click();
    await page.locator('[data-pager]', { hasText: `Page ${String(PAGES - 1)} ` }).waitFor(WAIT);

    await page.getByRole('columnheader', { name: 'User' }).getByRole('button').click();
    await page.getByRole('link', { name: 'user-9999', exact: true }).waitFor(WAIT);
    t.equal((await ends(page))[1], 'user-9999', 'the other way round, from the first page on');
    await page.getByLabel('User').fill('user-12345');
    await page.getByRole('link', { name: 'user-12345', exact: true }).waitFor(WAIT);
    await page
      .locator('tbody tr')
      .nth(1)
      .waitFor({ ...WAIT, state: 'detached' });
    t.strictSame(await ends(page), ['1', 'user-12345', 'user-12345']);
    t.strictSame(complaints, []);
  });
});
