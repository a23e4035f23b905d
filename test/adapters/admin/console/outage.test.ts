/** The server goes away and comes back: the page says so, and goes on by itself. */
import t from 'tap';
import { startAdmin } from '../../../helpers/admin.js';
import { Browser } from '../../../helpers/chromium.js';
import { openAs, show, WAIT } from '../../../helpers/console.js';
import { requireProgram } from '../../../helpers/programs.js';

t.test('an outage', async (t) => {
  if (!requireProgram(t, 'chromium')) return;
  const first = await startAdmin(t);
  const browser = await Browser.start(t);
  const url = `${first.origin}/console/`;
  const { page, complaints } = await openAs({ ...first, browser, url }, 'viewer');
  await page.locator('.feed.live').waitFor(WAIT);
  await first.server.stop();
  await page.getByRole('alert').filter({ hasText: 'The server does not answer.' }).waitFor(WAIT);
  await page.locator('.feed.polling').waitFor(WAIT);
  t.ok(await page.getByRole('heading', { name: 'Overview' }).isVisible(), 'what was shown stays');

  const second = await startAdmin(t, { port: Number(new URL(first.origin).port) });
  await page.locator('[data-outage]').waitFor({ ...WAIT, state: 'detached' });
  await page.locator('.feed.live').waitFor(WAIT);
  await show(page, '#/connections', 'Connections');
  await page.locator('tbody tr').first().waitFor(WAIT);
  // Chromium itself says that nothing answered; the page has nothing to add.
  t.strictSame(
    complaints.filter((line) => !/^error: (Failed to load resource|WebSocket connection to)/.test(line)),
    [],
  );

  await t.test('a token that is not good any more is asked for again', async (t) => {
    await second.server.stop();
    const tokens = [{ name: 'other', role: 'viewer' as const, token: 'another-token-0123456789' }];
    await startAdmin(t, { port: Number(new URL(first.origin).port), tokens });
    await page.getByText('The server does not take this token any more').waitFor(WAIT);
    t.ok(await page.getByLabel('Admin token').isVisible());
    t.equal(await page.evaluate('sessionStorage.length'), 0);
  });
});
