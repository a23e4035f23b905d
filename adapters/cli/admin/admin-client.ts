/** Asks the admin API of a running server; what it refuses becomes one line and exit code 1. */
import { readFile } from 'node:fs/promises';
import { type Command, InvalidArgumentError } from 'commander';
import { parseNumber } from '../argument.js';
import { readVariable, type Environment } from '../environment.js';
import { CliError } from '../exit-code.js';

export interface AdminFlags {
  readonly admin?: URL;
  readonly tokenFile?: string;
  readonly timeout: number;
}

export type Query = Readonly<Record<string, string | number | undefined>>;

const DEFAULT_ORIGIN = 'http://127.0.0.1:8081';
const PREFIX = '/api/v1';
const DEFAULT_TIMEOUT_SECONDS = 10;
/** The most that the API gives at once. */
const MAX_PAGE = 1_000;

export const ADMIN_HELP = `
HOOFBEAT_ADMIN_URL stands for --admin. The token is read from --token-file or HOOFBEAT_ADMIN_TOKEN; it is never an
argument, which other users of the machine can see.`;

export function addAdminFlags(command: Command): Command {
  return command
    .option('--admin <url>', `admin API of the server (default: ${DEFAULT_ORIGIN})`, parseOrigin)
    .option('--token-file <file>', 'file whose text is the token')
    .option(
      '--timeout <seconds>',
      'how long an answer may take',
      (text) => parseNumber(text, 1, 86_400),
      DEFAULT_TIMEOUT_SECONDS,
    );
}

interface Page<T> {
  readonly items: readonly T[];
  readonly next: string | null;
  readonly total?: number;
}

export class AdminClient {
  readonly #origin: string;
  readonly #token: string | null;
  readonly #timeoutMs: number;

  private constructor(origin: string, token: string | null, timeoutMs: number) {
    this.#origin = origin;
    this.#token = token;
    this.#timeoutMs = timeoutMs;
  }

  /** @throws CliError for a file that cannot be read, and without a token */
  static async create(flags: AdminFlags, environment: Environment): Promise<AdminClient> {
    const token = await readToken(flags, environment);
    if (token === null) throw new CliError('no token: set HOOFBEAT_ADMIN_TOKEN or give --token-file');
    return new AdminClient(originOf(flags, environment), token, flags.timeout * 1_000);
  }

  get origin(): string {
    return this.#origin;
  }

  get<T>(path: string, query: Query = {}): Promise<T> {
    return this.request('GET', path, query);
  }

  /** @throws CliError of one line */
  async request<T>(method: string, path: string, query: Query = {}, body?: unknown): Promise<T> {
    const response = await this.#fetch(method, path, query, AbortSignal.timeout(this.#timeoutMs), body);
    return (await response.json()) as T;
  }

  /** Pages of a list until there are no more. @param limit of all items; 0: no limit */
  async *pages<T>(path: string, query: Query, limit: number): AsyncGenerator<Page<T>> {
    let left = limit === 0 ? Infinity : limit;
    let cursor: string | undefined;
    do {
      const page = await this.get<Page<T>>(path, { ...query, limit: Math.min(left, MAX_PAGE), cursor });
      yield page;
      left -= page.items.length;
      cursor = page.next ?? undefined;
    } while (cursor !== undefined && left > 0);
  }

  /** The lines of an answer that goes on. @throws CliError when the server is not there, or goes */
  async *lines(path: string, query: Query, signal: AbortSignal): AsyncGenerator<string> {
    const response = await this.#fetch('GET', path, query, signal);
    let rest = '';
    const decoder = new TextDecoder();
    try {
      for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
        const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
        rest = lines.pop() ?? '';
        yield* lines;
      }
    } catch (error) {
      if (signal.aborted) return;
      throw new CliError(`${this.#origin}: the server has gone (${causeOf(error)})`);
    }
  }

  async #fetch(method: string, path: string, query: Query, signal: AbortSignal, body?: unknown): Promise<Response> {
    const url = new URL(`${this.#origin}${PREFIX}${path}`);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    let response;
    try {
      response = await fetch(url, {
        method,
        signal,
        headers: {
          ...(this.#token === null ? {} : { authorization: `Bearer ${this.#token}` }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    } catch (error) {
      throw new CliError(`${this.#origin}: ${causeOf(error)}`);
    }
    if (response.ok) return response;
    throw new CliError(`${this.#origin}: ${await refusalOf(response)}`);
  }
}

export function originOf(flags: AdminFlags, environment: Environment): string {
  if (flags.admin !== undefined) return flags.admin.origin;
  const given = readVariable(environment, 'HOOFBEAT_ADMIN_URL');
  if (given === undefined) return DEFAULT_ORIGIN;
  try {
    return parseOrigin(given).origin;
  } catch (error) {
    throw new CliError(`HOOFBEAT_ADMIN_URL: ${(error as Error).message}`);
  }
}

/** Null: none was given. @throws CliError for a file that cannot be read */
export async function readToken(flags: AdminFlags, environment: Environment): Promise<string | null> {
  if (flags.tokenFile === undefined) return readVariable(environment, 'HOOFBEAT_ADMIN_TOKEN') ?? null;
  try {
    return (await readFile(flags.tokenFile, 'utf8')).trim();
  } catch (error) {
    throw new CliError(`${flags.tokenFile}: cannot be read (${String((error as NodeJS.ErrnoException).code)})`);
  }
}

function parseOrigin(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url !== null && /^https?:$/.test(url.protocol)) return url;
  throw new InvalidArgumentError('wants http://host:port or https://host:port');
}

/** Problem details are for programs; a person wants the sentence. */
async function refusalOf(response: Response): Promise<string> {
  const text = await response.text();
  try {
    const { title, detail, code, errors } = JSON.parse(text) as {
      title?: string;
      detail?: string;
      code?: string;
      errors?: readonly string[];
    };
    if (code === undefined) throw new Error('no problem details');
    const why = [detail ?? title, ...(errors ?? [])].join('; ');
    return `${why} (${code})`;
  } catch {
    return `answered ${response.status}, which is no admin API of hoofbeat: is this its port?`;
  }
}

function causeOf(error: unknown): string {
  const { name, message, cause } = error as Error;
  if (name === 'TimeoutError') return 'no answer in time';
  const { code } = (cause ?? {}) as NodeJS.ErrnoException;
  if (code === 'ECONNREFUSED') return 'nobody listens there (ECONNREFUSED)';
  return code ?? (cause instanceof Error ? cause.message : message);
}
