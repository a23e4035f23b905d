/** A whole server with its admin API on a free port, and what asks it. */
import type { Test } from 'tap';
import type { AdminOptions, ServerOptions, StompServer, StompServerPorts } from '../../adapters/index.js';
import { startTestServer } from './server.js';

export const TOKENS = Object.freeze({
  viewer: 'viewer-token-0123456789',
  operator: 'operator-token-0123456789',
  admin: 'admin-token-0123456789',
});

export type TestRole = keyof typeof TOKENS;

export interface AdminAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Of JSON; undefined otherwise. */
  readonly body: unknown;
}

export interface AskOptions {
  /** Null: no token. Default: admin. */
  readonly as?: TestRole | null;
  /** Instead of `as`. */
  readonly token?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Of an answer that goes on: is gone after its first line. */
  readonly firstLine?: boolean;
}

export interface TestAdmin {
  readonly server: StompServer;
  readonly origin: string;
  readonly tcpPort: number;
  readonly httpPort: number;
  /** @param path below `/api/v1`; from the root when it begins with two slashes */
  readonly ask: (method: string, path: string, options?: AskOptions) => Promise<AdminAnswer>;
}

export async function startAdmin(
  t: Test,
  admin: AdminOptions = {},
  options: ServerOptions = {},
  ports: StompServerPorts = {},
): Promise<TestAdmin> {
  const tokens = Object.entries(TOKENS).map(([role, token]) => ({
    name: `the ${role}`,
    role: role as TestRole,
    token,
  }));
  const started = await startTestServer({ workers: 1, ...options, admin: { port: 0, tokens, ...admin } }, ports);
  t.teardown(() => started.stop());
  const { server, tcpPort, httpPort } = started;
  const address = server.addresses.find(({ isAdmin }) => isAdmin === true);
  const origin = `http://127.0.0.1:${address?.port ?? httpPort}`;
  return {
    server,
    origin,
    tcpPort,
    httpPort: server.addresses.find(({ transport, isAdmin }) => transport === 'http' && isAdmin !== true)?.port ?? 0,
    ask: (method, path, asking) => ask(origin, method, path, asking),
  };
}

export async function ask(
  origin: string,
  method: string,
  path: string,
  { as = 'admin', token, body, headers = {}, firstLine = false }: AskOptions = {},
): Promise<AdminAnswer> {
  const shown = token ?? (as === null ? null : TOKENS[as]);
  const url = origin + (path.startsWith('//') ? path.slice(1) : `/api/v1${path}`);
  const response = await fetch(url, {
    method,
    headers: {
      ...(shown === null ? {} : { authorization: `Bearer ${shown}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = firstLine ? await firstLineOf(response) : await response.text();
  const isJson = /json/.test(response.headers.get('content-type') ?? '');
  return { status: response.status, headers: response.headers, text, body: isJson ? JSON.parse(text) : undefined };
}

async function firstLineOf(response: Response): Promise<string> {
  let text = '';
  const decoder = new TextDecoder();
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    text += decoder.decode(chunk, { stream: true });
    if (text.includes('\n')) break;
  }
  return text.slice(0, text.indexOf('\n'));
}
