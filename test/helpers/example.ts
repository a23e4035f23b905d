/** What tests of the examples share: the application on a free port, curl, and the client of the older guides. */
import { execFile } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import type { FastifyInstance } from 'fastify';
import type { Page } from 'playwright-core';
import SockJS from 'sockjs-client';
import type { Test } from 'tap';
import { ARTIFACTS } from './chromium.js';
import { Inbox, inTime } from './inbox.js';

/** Listens until the test ends. @returns the root, without a slash at its end */
export async function listen(t: Test, app: FastifyInstance): Promise<string> {
  t.teardown(() => app.close());
  await app.listen({ port: 0, host: '127.0.0.1' });
  return `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
}

export interface CurlAnswer {
  readonly status: number;
  /** Parsed where it is JSON, else text. */
  readonly body: unknown;
}

/** Runs `curl` with these arguments. */
export function curl(...args: readonly string[]): Promise<CurlAnswer> {
  const all = ['--silent', '--show-error', '--max-time', '5', '--write-out', '\n%{http_code}', ...args];
  return new Promise((resolve, reject) => {
    execFile('curl', all, (error, output) => {
      if (error !== null) {
        reject(new Error(`curl ${args.join(' ')}`, { cause: error }));
        return;
      }
      const end = output.lastIndexOf('\n');
      resolve({ status: Number(output.slice(end + 1)), body: parsed(output.slice(0, end)) });
    });
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

interface LegacyFrame {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** stompjs 2.3.3, as far as the guides use it. */
export interface LegacyClient {
  debug: unknown;
  connect(headers: Record<string, string>, onConnect: () => void, onError?: (error: unknown) => void): void;
  disconnect(onDisconnect: () => void): void;
  subscribe(destination: string, onMessage: (frame: LegacyFrame) => void): { unsubscribe(): void };
  send(destination: string, headers?: Record<string, string>, body?: string): void;
}

/** CommonJS of its time, without types. */
export const Stomp = createRequire(import.meta.url)('stompjs') as { over(socket: unknown): LegacyClient };

/** `Stomp.over(new SockJS(url))` and `connect(headers, …)`; resolves once connected. */
export async function connectLegacy(t: Test, url: string, headers: Record<string, string> = {}): Promise<LegacyClient> {
  const client = Stomp.over(new SockJS(url));
  client.debug = null;
  const connected = new Promise<void>((resolve, reject) => {
    client.connect(headers, resolve, (error) => {
      reject(new Error(`refused: ${JSON.stringify(error)}`));
    });
  });
  await inTime(connected, 'CONNECTED');
  t.teardown(() =>
    inTime(new Promise<void>((resolve) => client.disconnect(resolve)), 'the disconnect').catch(() => undefined),
  );
  return client;
}

/** JSON bodies that arrive on a subscription. */
export function subscribeLegacy(client: LegacyClient, destination: string): Inbox<Record<string, unknown>> {
  const inbox = new Inbox<Record<string, unknown>>();
  client.subscribe(destination, (frame) => {
    inbox.push(JSON.parse(frame.body) as Record<string, unknown>);
  });
  return inbox;
}

/** Pictures of a page, wide and as on a telephone, into test/.artifacts; says whether the narrow one has to be scrolled sideways. */
export async function picture(
  page: Page,
  name: string,
  size = { width: 1000, height: 640 },
): Promise<{ fitsPhone: boolean }> {
  mkdirSync(ARTIFACTS, { recursive: true });
  await page.setViewportSize(size);
  await page.screenshot({ path: path.join(ARTIFACTS, `${name}.png`) });
  await page.setViewportSize({ width: 390, height: 780 });
  await page.screenshot({ path: path.join(ARTIFACTS, `${name}-phone.png`) });
  const fitsPhone = (await page.evaluate('document.documentElement.scrollWidth <= innerWidth')) === true;
  await page.setViewportSize(size);
  return { fitsPhone };
}
