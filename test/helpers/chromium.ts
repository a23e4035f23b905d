/** Headless Chromium on pages of its own little server, which has @stomp/stompjs and sockjs-client from node_modules. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { chromium, type BrowserContext, type Page } from 'playwright-core';
import type { Test } from 'tap';
import { CHROMIUM } from './programs.js';

const ROOT = path.resolve(import.meta.dirname, '../../..');
export const ARTIFACTS = path.join(ROOT, 'test/.artifacts');
const require = createRequire(import.meta.url);
const FILES: Readonly<Record<string, readonly [type: string, file: string]>> = {
  '/': ['text/html', path.join(ROOT, 'test/interop/clients/browser.html')],
  '/sockjs.js': ['text/javascript', require.resolve('sockjs-client/dist/sockjs.min.js')],
  '/stomp.js': ['text/javascript', path.join(path.dirname(require.resolve('@stomp/stompjs')), 'stomp.umd.min.js')],
};

/** No network beyond loopback, and no sandbox: tests run as root, too. */
const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const START_LIMIT_MS = 60_000;

export interface BrowserPage {
  readonly page: Page;
  /** Runs an expression in the page and waits for its promise. */
  readonly run: (expression: string) => Promise<unknown>;
  /** Everything the page complained about: console errors, uncaught exceptions, requests that failed. */
  readonly complaints: string[];
}

export class Browser {
  readonly #context: BrowserContext;
  readonly #server: Server;
  readonly #profile: string;
  readonly origin: string;

  private constructor(context: BrowserContext, server: Server, profile: string) {
    this.#context = context;
    this.#server = server;
    this.#profile = profile;
    this.origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** Starts Chromium with an empty profile; it ends with the test. */
  static async start(t: Test): Promise<Browser> {
    const server = await serveFiles();
    const profile = await mkdtemp(path.join(tmpdir(), 'hoofbeat-chromium-'));
    const context = await chromium.launchPersistentContext(profile, {
      executablePath: CHROMIUM,
      headless: true,
      args: ARGUMENTS,
      timeout: START_LIMIT_MS,
    });
    const browser = new Browser(context, server, profile);
    t.teardown(() => browser.#close());
    return browser;
  }

  /** @param url default: the page of the little server */
  async open(url = this.origin): Promise<BrowserPage> {
    const page = await this.#context.newPage();
    const complaints: string[] = [];
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) complaints.push(`${message.type()}: ${message.text()}`);
    });
    page.on('pageerror', (error) => complaints.push(`uncaught: ${error.message}`));
    await page.goto(url);
    return { page, complaints, run: (expression) => page.evaluate(expression) };
  }

  async #close(): Promise<void> {
    await this.#context.close();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    await rm(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function serveFiles(): Promise<Server> {
  const server = createServer((request, response) => {
    const [type, file] = FILES[request.url ?? ''] ?? [];
    if (file === undefined || type === undefined) {
      // The icon that every browser asks for.
      response.writeHead(204).end();
      return;
    }
    readFile(file).then(
      (content) => response.writeHead(200, { 'Content-Type': `${type}; charset=utf-8` }).end(content),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}
