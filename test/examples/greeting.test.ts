/** The greeting example: its handler by the test kit, its page in headless Chromium with the guide's own libraries. */
import { mkdirSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import type { Page } from 'playwright-core';
import t, { type Test } from 'tap';
import { assertMatch, createTestBroker, expectError, expectNoMessage } from '../../adapters/testing/index.js';
import { createGreetingServer, registerGreeting } from '../../examples/greeting/server.js';
import { ARTIFACTS, Browser } from '../helpers/chromium.js';
import { DEADLINE_MS } from '../helpers/inbox.js';
import { requireProgram } from '../helpers/programs.js';

t.test('a name without content-type, as the old client sends it, is greeted on the topic', async (t) => {
  const test = await createTestBroker({ handlers: registerGreeting });
  const client = await test.connect();
  const greetings = await client.subscribe('/topic/greetings');
  await client.frame('SEND', { destination: '/app/hello' }, Buffer.from('{"name":" Ann "}'));
  t.strictSame((await client.nextMessage(greetings)).payload, { content: 'Hello, Ann!' });
});

t.test('a message without a name is refused and greets nobody', async (t) => {
  const test = await createTestBroker({ handlers: registerGreeting });
  const [sender, other] = [await test.connect(), await test.connect()];
  await other.subscribe('/topic/greetings');
  for (const payload of [{ name: '  ' }, {}, 'text', { name: 'x'.repeat(101) }])
    await sender.send('/app/hello', payload);
  t.strictSame(sender.errors(), [], 'without a receipt the client hears nothing of it, as in Spring');
  await sender.send('/app/hello', {}, { receipt: 'r' });
  assertMatch(expectError(sender, 'payload-invalid'));
  assertMatch(expectNoMessage(other));
});

async function startServer(t: Test): Promise<string> {
  const app = await createGreetingServer('silent');
  t.teardown(() => app.close());
  await app.listen({ port: 0, host: '127.0.0.1' });
  return `http://127.0.0.1:${(app.server.address() as AddressInfo).port}/`;
}

/** Clicks Connect and waits for the page to say so. */
async function connect(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Connect', exact: true }).click();
  await page.locator('#status[data-state=online]').waitFor({ timeout: DEADLINE_MS });
}

async function greetings(page: Page, count: number): Promise<string[]> {
  const items = page.locator('#greetings li span');
  await items.nth(count - 1).waitFor({ timeout: DEADLINE_MS });
  return items.allTextContents();
}

t.test('the guide: connect, type a name, see the greeting; a second page sees it as well', async (t) => {
  if (!requireProgram(t, 'chromium')) return;
  const [browser, url] = [await Browser.start(t), await startServer(t)];
  const [ann, bob] = [await browser.open(url), await browser.open(url)];
  const send = ann.page.getByRole('button', { name: 'Send' });
  t.ok(await send.isDisabled(), 'nothing can be sent before connecting');
  await connect(ann.page);
  await connect(bob.page);
  await ann.page.getByLabel('What is your name?').fill('Ann');
  await send.click();
  t.strictSame(await greetings(ann.page, 1), ['Hello, Ann!']);
  t.strictSame(await greetings(bob.page, 1), ['Hello, Ann!']);
  await bob.page.getByLabel('What is your name?').fill('<b>Bob</b> & Zoë');
  await bob.page.keyboard.press('Enter');
  t.strictSame(await greetings(ann.page, 2), ['Hello, <b>Bob</b> & Zoë!', 'Hello, Ann!']);

  await ann.page.getByText('Frames on the wire').click();
  t.match(await ann.page.locator('#frames').textContent(), />>> SEND\ndestination:\/app\/hello/);
  mkdirSync(ARTIFACTS, { recursive: true });
  await ann.page.setViewportSize({ width: 820, height: 640 });
  await ann.page.screenshot({ path: path.join(ARTIFACTS, 'greeting.png'), fullPage: true });

  await ann.page.getByRole('button', { name: 'Disconnect' }).click();
  await ann.page.locator('#status[data-state=offline]').waitFor({ timeout: DEADLINE_MS });
  t.ok(await send.isDisabled());
  await connect(ann.page);
  t.strictSame([...ann.complaints, ...bob.complaints], []);
});
