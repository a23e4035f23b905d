/** The console in headless Chromium, on a server of its own. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';
import type { Test } from 'tap';
import type { AdminOptions, ServerOptions, StompServerPorts } from '../../adapters/index.js';
import { startAdmin, type TestAdmin, type TestRole, TOKENS } from './admin.js';
import { Browser, type BrowserPage } from './chromium.js';

/** Chromium on a busy machine; nothing takes so long that works. */
export const WAIT = Object.freeze({ timeout: 20_000 });

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export interface TestConsole extends TestAdmin {
  readonly browser: Browser;
  readonly url: string;
}

export async function startConsole(
  t: Test,
  options: ServerOptions = {},
  admin: AdminOptions = {},
  ports: StompServerPorts = {},
): Promise<TestConsole> {
  const started = await startAdmin(t, admin, options, ports);
  const browser = await Browser.start(t);
  return { ...started, browser, url: `${started.origin}/console/` };
}

/** A page of the console where somebody is logged in. @param hash of the view, e.g. `#/users` */
export async function openAs({ browser, url }: TestConsole, role: TestRole, hash = ''): Promise<BrowserPage> {
  const opened = await browser.open(url + hash);
  await logIn(opened.page, TOKENS[role]);
  await opened.page.getByRole('button', { name: 'Log out' }).waitFor(WAIT);
  return opened;
}

export async function logIn(page: Page, token: string): Promise<void> {
  await page.getByLabel('Admin token').fill(token);
  await page.getByRole('button', { name: 'Log in' }).click();
}

/** Goes to a view by its address. @param title of the view, once it is there */
export async function show(page: Page, hash: string, title: string): Promise<void> {
  await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
  await page.getByRole('heading', { level: 1, name: title, exact: true }).waitFor(WAIT);
}

interface AxeResult {
  readonly violations: readonly {
    readonly id: string;
    readonly impact: string;
    readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
  }[];
}

/**
 * What axe-core finds serious or critical, one line each. The page's own policy is not in its way: it is no script of it.
 * @param rules only these; null: all
 */
export async function faultsOf(page: Page, rules: readonly string[] | null = null): Promise<readonly string[]> {
  const options = { resultTypes: ['violations'], ...(rules === null ? {} : { runOnly: rules }) };
  const { violations } = await page.evaluate<AxeResult>(
    `(() => { if (!globalThis.axe) { ${AXE} }\n return globalThis.axe.run(document, ${JSON.stringify(options)}); })()`,
  );
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html}: ${failureSummary}`));
}
