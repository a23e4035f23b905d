/** The console in headless Chromium: logging in, numbers that move, every act, and what a role may not. */
import type { Page } from 'playwright-core';
import t, { type Test } from 'tap';
import type { BrowserPage } from '../../../helpers/chromium.js';
import { faultsOf, logIn, openAs, show, startConsole, type TestConsole, WAIT } from '../../../helpers/console.js';
import { TOKENS } from '../../../helpers/admin.js';
import { picture } from '../../../helpers/example.js';
import { requireProgram } from '../../../helpers/programs.js';
import { RawClient } from '../../../helpers/raw-client.js';
import { until } from '../../../helpers/until.js';

const EVIL = '<img src=x onerror="globalThis.isHit=1">';
const EVIL_QUEUE = `/queue/${EVIL}`;
const USERS = ['ann', 'bob', EVIL].map((login) => ({ login, passcode: 'x' }));
const DESKTOP = { width: 1280, height: 860 };

async function connect(t: Test, { tcpPort }: TestConsole, login: string): Promise<RawClient> {
  const client = await RawClient.openFor(t, tcpPort);
  await client.connect('1.2', { login, passcode: 'x' });
  return client;
}

/** Answers the question that an act asks first. */
async function confirm(page: Page, act: string): Promise<void> {
  await page.getByRole('dialog').getByRole('button', { name: act }).click();
}

async function told(page: Page, text: string | RegExp): Promise<void> {
  await page.locator('.notice', { hasText: text }).waitFor(WAIT);
}

/** No text of others became markup. */
async function isUnhurt(t: Test, { page, complaints }: BrowserPage): Promise<void> {
  t.equal(await page.evaluate('globalThis.isHit'), undefined);
  t.equal(await page.locator('main img').count(), 0);
  t.strictSame(complaints, []);
}

t.test('the console', async (t) => {
  if (!requireProgram(t, 'chromium')) return;
  const started = await startConsole(t, { auth: { users: USERS, anonymous: true } });
  const { server, browser, url } = started;
  const { broker } = server;
  const opened = await browser.open(url);
  const { page, complaints } = opened;

  await t.test('asks for a token, says what is wrong with one, and forgets it at the end', async (t) => {
    await page.getByLabel('Admin token').waitFor(WAIT);
    t.strictSame(await faultsOf(page), []);
    await logIn(page, 'no-token-of-this-server');
    await page.getByRole('alert').filter({ hasText: 'The token is not one of this server' }).waitFor(WAIT);
    t.strictSame(
      complaints.splice(0).filter((line) => !/status of 401/.test(line)),
      [],
    );
    await logIn(page, TOKENS.admin);
    await page.getByRole('heading', { name: 'Overview' }).waitFor(WAIT);
    t.equal(
      await page.evaluate('JSON.stringify(localStorage).includes("token")'),
      false,
      'nothing that outlives the tab',
    );
    await page.reload();
    await page.getByRole('heading', { name: 'Overview' }).waitFor(WAIT);
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.getByLabel('Admin token').waitFor(WAIT);
    t.equal(await page.evaluate('sessionStorage.length'), 0);
    await logIn(page, TOKENS.admin);
    await page.getByRole('heading', { name: 'Overview' }).waitFor(WAIT);
    t.strictSame(complaints, []);
  });

  await t.test('shows by STOMP what goes on, while it goes on', async (t) => {
    await page.locator('.feed.live').waitFor(WAIT);
    const client = await connect(t, started, 'ann');
    const rate = page.locator('[data-tile=messagesIn] strong');
    await until('messages in', async () => {
      for (let k = 0; k < 50; k++) client.sendFrame('SEND', { destination: '/topic/load' }, String(k));
      await client.fence();
      return Number((await rate.textContent())?.replaceAll(',', '')) > 0;
    });
    t.ok(Number((await page.locator('[data-tile=sessions] strong').textContent()) ?? 0) >= 2);
    t.equal(await page.locator('canvas').count(), 6);
    t.strictSame(complaints, []);
  });

  await t.test('shows who is connected, what they listen to, and ends it', async (t) => {
    const bob = await connect(t, started, 'bob');
    await bob.subscribe('/topic/one', 'first');
    await bob.subscribe(`/topic/${EVIL}`, 'second');
    await show(page, '#/connections?user=bob', 'Connections');
    await page.getByRole('link', { name: 'bob' }).click();
    await page.getByText('Heart-beats of the server').waitFor(WAIT);
    const line = page.getByRole('row', { name: /topic\/one/ });
    await line.getByRole('button', { name: 'End' }).click();
    await confirm(page, 'End subscription');
    await told(page, 'The subscription to /topic/one was ended');
    await line.waitFor({ ...WAIT, state: 'detached' });
    await page.getByText(`/topic/${EVIL}`).waitFor(WAIT);
    await page.getByRole('button', { name: 'Disconnect' }).click();
    await confirm(page, 'Disconnect');
    await bob.closed();
    await told(page, /bob, .*: disconnected/);
    await isUnhurt(t, opened);
  });

  await t.test('disconnects a user, whatever the name', async (t) => {
    const clients = [await connect(t, started, EVIL), await connect(t, started, EVIL)];
    await show(page, '#/users?prefix=%3C', 'Users');
    await page.getByRole('link', { name: EVIL }).click();
    await page.getByRole('heading', { name: EVIL }).waitFor(WAIT);
    await page.getByRole('button', { name: 'Disconnect user' }).click();
    await confirm(page, 'Disconnect user');
    for (const client of clients) await client.closed();
    await told(page, `${EVIL}: 2 sessions ended`);
    await isUnhurt(t, opened);
  });

  await t.test('looks into a queue, deletes and purges', async (t) => {
    for (const body of [EVIL, 'two', 'three']) await broker.convertAndSend(EVIL_QUEUE, body, { [`x-${EVIL}`]: EVIL });
    await show(page, '#/queues', 'Queues');
    await page.getByRole('link', { name: EVIL_QUEUE }).click();
    await page.getByRole('article').nth(2).waitFor(WAIT);
    t.equal(await page.getByLabel('Body').filter({ hasText: EVIL }).first().textContent(), EVIL);
    await page.getByRole('article').first().getByRole('button', { name: 'Delete' }).click();
    await confirm(page, 'Delete');
    await page.locator('[data-depth]', { hasText: '2' }).waitFor(WAIT);
    t.strictSame(await faultsOf(page), []);
    await page.getByRole('button', { name: 'Purge' }).click();
    await confirm(page, 'Cancel');
    t.equal(broker.operations.queue(EVIL_QUEUE)?.details.depth, 2, 'who thinks again has lost nothing');
    await page.getByRole('button', { name: 'Purge' }).click();
    await confirm(page, 'Purge');
    await told(page, '2 messages dropped');
    await page.getByText('Nothing waits here.').waitFor(WAIT);
    t.equal(broker.operations.queue(EVIL_QUEUE)?.details.depth ?? 0, 0);
    await isUnhurt(t, opened);
  });

  await t.test('moves dead letters back', async (t) => {
    await broker.convertAndSend('/queue/DLQ', 'dead', { 'original-destination': '/queue/work' });
    await broker.convertAndSend('/queue/DLQ', 'too', { 'original-destination': '/queue/work' });
    await show(page, '#/queues/%2Fqueue%2FDLQ', '/queue/DLQ');
    await page.getByRole('button', { name: 'Move back', exact: true }).first().click();
    await told(page, '1 message moved');
    await page.getByRole('button', { name: 'Move dead letters back' }).click();
    await confirm(page, 'Move');
    await page.getByText('Nothing waits here.').waitFor(WAIT);
    t.equal(broker.operations.queue('/queue/work')?.details.depth, 2);
    t.strictSame(complaints, []);
  });

  await t.test('tries it as a client: what is sent arrives, frames are shown, secrets are not', async (t) => {
    await show(page, '#/try', 'Try it');
    await page.getByLabel('Login').fill('ann');
    await page.getByLabel('Passcode').fill('x');
    await page.getByRole('button', { name: 'Connect' }).click();
    await page.getByRole('heading', { name: 'Connected as ann' }).waitFor(WAIT);
    await page.getByRole('form', { name: 'Subscribe' }).getByLabel('Destination').fill('/topic/tried');
    await page.getByRole('button', { name: 'Subscribe', exact: true }).click();
    await page.getByRole('button', { name: 'Unsubscribe from /topic/tried' }).waitFor(WAIT);
    const form = page.getByRole('form', { name: 'Send' });
    await form.getByLabel('Destination').fill('/topic/tried');
    await form.getByLabel('Body').fill(`hello ${EVIL}`);
    await form.getByRole('button', { name: 'Send' }).click();
    const message = page.getByRole('article').filter({ hasText: /MESSAGE/ });
    await message.filter({ hasText: `hello ${EVIL}` }).waitFor(WAIT);
    const frames = (await page.getByRole('region', { name: 'Frames on the wire' }).textContent()) ?? '';
    t.match(frames, /login:ann/);
    t.match(frames, /passcode:\*\*\*/);
    t.notMatch(frames, TOKENS.admin);
    await picture(page, 'console-try-it', DESKTOP);
    t.strictSame(await faultsOf(page), []);

    await t.test('and what operators publish arrives there as well', async (t) => {
      await show(page, '#/topics/%2Ftopic%2Ftried', '/topic/tried');
      await page.getByLabel('Body', { exact: true }).fill('of the operator');
      await page.getByRole('button', { name: 'Send' }).click();
      await told(page, 'Sent to /topic/tried');
      await show(page, '#/try', 'Try it');
      await message.filter({ hasText: 'of the operator' }).waitFor(WAIT);
      t.pass('it arrived');
    });
    await page.getByRole('button', { name: 'Disconnect' }).click();
    await page.getByRole('heading', { name: 'Connect as a client' }).waitFor(WAIT);
    await isUnhurt(t, opened);
  });

  await t.test('taps frames of one user, with secrets masked', async (t) => {
    await show(page, '#/tap?user=bob', 'Tap');
    await page.getByRole('button', { name: 'Start' }).click();
    await page.getByText('Tapping').waitFor(WAIT);
    await until('a tap', () => broker.operations.tapCount === 1);
    const [ann, bob] = [await connect(t, started, 'ann'), await connect(t, started, 'bob')];
    await bob.subscribe('/topic/tapped');
    ann.sendFrame('SEND', { destination: '/topic/other' }, 'not for the tap');
    await ann.fence();
    bob.sendFrame('SEND', { destination: '/topic/tapped', authorization: 'Bearer secret' }, `seen ${EVIL}`);
    const frames = page.getByRole('region', { name: 'Frames' });
    await frames.getByText('MESSAGE').first().waitFor(WAIT);
    const text = (await frames.textContent()) ?? '';
    t.match(text, 'authorization:***');
    t.notMatch(text, /Bearer secret|not for the tap/);
    await picture(page, 'console-tap', DESKTOP);
    t.strictSame(await faultsOf(page), []);
    await page.getByRole('button', { name: 'Stop' }).click();
    await until('its end', () => broker.operations.tapCount === 0);
    await isUnhurt(t, opened);
  });

  await t.test('shows who did what', async (t) => {
    await show(page, '#/audit', 'Audit log');
    for (const act of ['purgeQueue', 'disconnectUser', 'connectAsClient', 'tapFrames', 'moveMessages'])
      await page.getByRole('cell', { name: act }).first().waitFor(WAIT);
    t.strictSame(await faultsOf(page), []);
    await picture(page, 'console-audit', DESKTOP);
    await isUnhurt(t, opened);
  });

  await t.test('offers a viewer nothing to do', async (t) => {
    await broker.convertAndSend('/queue/work', 'x');
    await connect(t, started, 'ann');
    const viewer = await openAs(started, 'viewer');
    const { page } = viewer;
    t.strictSame(await page.getByRole('navigation').getByRole('link').allTextContents(), [
      'Overview',
      'Connections',
      'Users',
      'Destinations',
      'Queues',
      'Server',
    ]);
    await page.locator('.feed.live').waitFor(WAIT);
    const ready: readonly (readonly [hash: string, title: string, there: string])[] = [
      ['#/connections', 'Connections', 'table td'],
      ['#/users', 'Users', 'table td'],
      ['#/users/ann', 'ann', 'table td'],
      ['#/destinations', 'Destinations', 'table td'],
      ['#/queues', 'Queues', 'table td'],
      ['#/queues/%2Fqueue%2Fwork', '/queue/work', '[data-depth]'],
      ['#/nodes', 'Server', 'table td'],
    ];
    for (const [hash, title, there] of ready) {
      await show(page, hash, title);
      await page.locator(`main ${there}`).first().waitFor(WAIT);
      const buttons = await page.locator('main button').allTextContents();
      const acts = buttons.map((each) => each.trim()).filter((each) => !ORDERS_AND_PAGES.test(each));
      t.strictSame(acts, [], hash);
      t.equal(await page.locator('main form:not([role=search])').count(), 0, hash);
    }
    await show(page, '#/audit', 'Overview');
    t.strictSame(viewer.complaints, []);
    await page.close();
  });
  t.strictSame(complaints, []);
});

/** Buttons that only turn pages and sort. */
const ORDERS_AND_PAGES =
  /^(Previous|Next|User|Connected|Subscriptions|Waiting|Sessions|Destination|Subscribers|Queue|Size|Not settled|Consumers)$/;
