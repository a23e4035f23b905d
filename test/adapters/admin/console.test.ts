/** The console in headless Chromium: logging in, numbers that move, acts, and what a role may not. */
import t from 'tap';
import { faultsOf, openAs, startConsole } from '../../helpers/console.js';
import { picture } from '../../helpers/example.js';
import { DEADLINE_MS } from '../../helpers/inbox.js';
import { requireProgram } from '../../helpers/programs.js';

t.test('the overview', async (t) => {
  if (!requireProgram(t, 'chromium')) return;
  const started = await startConsole(t);
  const { page, complaints } = await openAs(started, 'admin');
  await page.locator('.feed.live').waitFor({ timeout: DEADLINE_MS });
  await page.locator('[data-tile=sessions] strong', { hasText: '1' }).waitFor({ timeout: DEADLINE_MS });
  t.strictSame(await faultsOf(page), []);
  const { fitsPhone } = await picture(page, 'console-overview', { width: 1280, height: 900 });
  t.ok(fitsPhone);
  t.strictSame(complaints, []);
});
