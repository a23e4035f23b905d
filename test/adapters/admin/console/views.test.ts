/** Every view of the console with something in it: light, dark and on a telephone, without faults that axe-core finds. */
import path from 'node:path';
import t, { type Test } from 'tap';
import { ARTIFACTS } from '../../../helpers/chromium.js';
import { faultsOf, openAs, show, startConsole, type TestConsole, WAIT } from '../../../helpers/console.js';
import { requireProgram } from '../../../helpers/programs.js';
import { RawClient } from '../../../helpers/raw-client.js';
import { ScriptedMemory } from '../../../helpers/scripted-memory.js';

const NAMES = ['ann', 'bob', 'claire', 'dan', 'eve.with.a.very.long.name.that.hardly.fits.anywhere@department.example'];
const DESKTOP = { width: 1280, height: 860 };
const PHONE = { width: 390, height: 780 };

interface Seen {
  readonly hash: string;
  readonly title: string;
  /** Is there once the view shows what it has. */
  readonly there: string;
}

async function fill(t: Test, { server, tcpPort }: TestConsole): Promise<string> {
  let session = '';
  for (const [k, login] of [...NAMES, ...NAMES.slice(0, 3)].entries()) {
    const client = await RawClient.openFor(t, tcpPort);
    const connected = await client.connect('1.2', { login, passcode: 'x', 'heart-beat': '300000,20000' });
    await client.subscribe('/topic/news');
    await client.subscribe(`/topic/rooms/${String(k)}`, '1');
    if (k < 2) await client.subscribe('/queue/jobs', '2', { ack: 'client-individual', 'prefetch-count': '5' });
    session = session === '' ? (connected.get('session') ?? '') : session;
  }
  const { broker } = server;
  for (let k = 0; k < 40; k++) await broker.convertAndSend('/queue/jobs', { job: k, text: 'to be done' });
  for (let k = 0; k < 3; k++) {
    const headers = { 'original-destination': '/queue/jobs', 'dead-letter-reason': 'max-deliveries' };
    await broker.convertAndSend('/queue/DLQ', { job: 100 + k, text: 'was given up' }, headers);
  }
  await broker.convertAndSend('/queue/mails', 'hello', { persistent: 'true' });
  return session;
}

t.test('every view', async (t) => {
  if (!requireProgram(t, 'chromium')) return;
  const users = NAMES.map((login) => ({ login, passcode: 'x', roles: ['staff'] }));
  const memory = new ScriptedMemory();
  memory.heapPart = 0.42;
  const started = await startConsole(t, { auth: { users }, workers: 2 }, {}, { memory });
  const session = await fill(t, started);
  const { page, complaints } = await openAs(started, 'admin');
  await page.locator('.feed.live').waitFor(WAIT);
  const views: readonly Seen[] = [
    { hash: '#/overview', title: 'Overview', there: '.events li' },
    { hash: '#/connections', title: 'Connections', there: 'tbody tr' },
    { hash: `#/connections/${session}`, title: 'Session', there: 'tbody tr' },
    { hash: '#/users', title: 'Users', there: 'tbody tr' },
    { hash: '#/users/ann', title: 'ann', there: 'tbody tr' },
    { hash: '#/destinations', title: 'Destinations', there: 'tbody tr' },
    { hash: '#/topics/%2Ftopic%2Fnews', title: '/topic/news', there: 'tbody tr' },
    { hash: '#/queues', title: 'Queues', there: 'tbody tr' },
    { hash: '#/queues/%2Fqueue%2Fjobs', title: '/queue/jobs', there: 'article' },
    { hash: '#/queues/%2Fqueue%2FDLQ', title: '/queue/DLQ', there: 'article' },
    { hash: '#/try', title: 'Try it', there: '#try-login' },
    { hash: '#/tap', title: 'Tap', there: '#tap-user' },
    { hash: '#/nodes', title: 'Server', there: '#level' },
    { hash: '#/audit', title: 'Audit log', there: 'table' },
  ];
  for (const { hash, title, there } of views) {
    await page.setViewportSize(DESKTOP);
    await show(page, hash, title);
    await page.locator(`main ${there}`).first().waitFor(WAIT);
    const name = `console-${hash.replace(/^#\//, '').replace(session, 'session').replaceAll(/\W+/g, '-')}`;
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      // The colours are all that is different in the dark.
      const rules = colorScheme === 'dark' ? ['color-contrast'] : null;
      t.strictSame(await faultsOf(page, rules), [], `${hash}, ${colorScheme}`);
      await page.screenshot({ path: path.join(ARTIFACTS, `${name}-${colorScheme}.png`) });
    }
    await page.setViewportSize(PHONE);
    t.equal(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), true, `${hash} on a telephone`);
    await page.screenshot({ path: path.join(ARTIFACTS, `${name}-phone.png`) });
  }

  await t.test('the overview shows the memory budget, what is done when it is short, and each worker', async (t) => {
    await page.setViewportSize(DESKTOP);
    await show(page, '#/overview', 'Overview');
    const tile = page.locator('[data-tile=memory]');
    await tile.filter({ hasText: '42 %heap 336 MB of 800 MB' }).waitFor(WAIT);
    const workers = page.getByRole('region', { name: 'Worker processes' }).locator('tbody tr');
    await workers.filter({ hasText: /\d %/ }).first().waitFor(WAIT);
    t.equal(await workers.count(), 2);
    const cells = (await workers.first().locator('td').allTextContents()).map((text) => text.trim());
    const numbers = [/^1$/, /^listens$/, /^\d+$/, /^\d+ of [\d,]+$/, /^[\d.]+ MB$/, /^[\d.]+ MB of [\d.]+ [MG]B$/];
    t.match(cells, [...numbers, /^\d+ ms$/, /^[\d.]+ %$/]);
    for (const [heapPart, tone, text] of [
      [0.92, 'warn', '92 %publishers are pausedheap 736 MB of 800 MB'],
      [1.01, 'bad', '101 %sessions are disconnectedheap 808 MB of 800 MB'],
    ] as const) {
      memory.heapPart = heapPart;
      await page.locator(`[data-tile=memory].${tone}`, { hasText: text }).waitFor(WAIT);
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        t.strictSame(await faultsOf(page, ['color-contrast']), [], `${tone}, ${colorScheme}`);
        await page.screenshot({ path: path.join(ARTIFACTS, `console-memory-${tone}-${colorScheme}.png`) });
      }
    }
    await page.setViewportSize(PHONE);
    t.equal(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), true, 'on a telephone');
    await page.screenshot({ path: path.join(ARTIFACTS, 'console-memory-phone.png'), fullPage: true });
    memory.heapPart = 0.42;
    await page.locator('[data-tile=memory].good').waitFor(WAIT);
    await page.setViewportSize(DESKTOP);
  });

  await t.test('the theme can be chosen, and is remembered', async (t) => {
    await page.setViewportSize(DESKTOP);
    const ground = (): Promise<unknown> => page.evaluate('getComputedStyle(document.body).backgroundColor');
    const dark = await ground();
    await page.getByRole('button', { name: 'Colours: as the system' }).click();
    await page.getByRole('button', { name: 'Colours: light' }).waitFor(WAIT);
    const light = await ground();
    t.not(light, dark);
    await page.reload();
    await page.getByRole('button', { name: 'Colours: light' }).waitFor(WAIT);
    t.equal(await ground(), light);
  });

  await t.test('the keyboard is enough', async (t) => {
    await show(page, '#/overview', 'Overview');
    await page.getByRole('link', { name: 'Users', exact: true }).first().press('Enter');
    await page.getByRole('heading', { level: 1, name: 'Users' }).waitFor(WAIT);
    t.equal(await page.evaluate('document.activeElement.textContent'), 'Users', 'the new view has the focus');
    const row = page.getByRole('row', { name: 'claire' });
    await row.getByRole('button', { name: 'Disconnect' }).press('Enter');
    await page.getByRole('dialog').waitFor(WAIT);
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ ...WAIT, state: 'detached' });
    t.equal(started.server.broker.users.get('claire')?.sessions.length, 2, 'Escape is no');
    await row.getByRole('button', { name: 'Disconnect' }).press('Enter');
    await page.getByRole('dialog').waitFor(WAIT);
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.getByText('claire: 2 sessions ended').waitFor(WAIT);
  });
  t.strictSame(complaints, []);
});
