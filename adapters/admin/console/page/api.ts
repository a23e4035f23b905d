/** The admin API as the page asks it: the token with each request, problems as errors, and whether the server is there. */
import type { Actor } from './api-types.js';
import { State } from './state.js';

/** What the API refused, in its own words. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;
  readonly code: string;
  /** One line for each fault. */
  readonly faults: readonly string[];

  constructor(status: number, code: string, message: string, faults: readonly string[] = []) {
    super(message);
    this.status = status;
    this.code = code;
    this.faults = faults;
  }
}

/** The server did not answer. */
export class Unreachable extends Error {
  override readonly name = 'Unreachable';
}

interface ProblemBody {
  readonly code?: string;
  readonly title?: string;
  readonly detail?: string;
  readonly errors?: readonly string[];
}

export type Query = Readonly<Record<string, string | number | undefined>>;

export interface AskOptions {
  readonly query?: Query | undefined;
  readonly body?: unknown;
  readonly signal?: AbortSignal | undefined;
}

/** Since when the server has not answered; null: it does. */
export const lostSince = new State<number | null>(null);
/** Counts how often the server came back: whoever shows something asks again. */
export const returns = new State(0);
/** Who is logged in; null: nobody. */
export const actor = new State<Actor | null>(null);
/** Why somebody has to log in again. */
export const logInReason = new State('');

/** Of this tab alone, and gone with it. */
const TOKEN_KEY = 'hoofbeat-admin-token';
const BASE = new URL('../api/v1/', document.baseURI).href;
const RETRY_FIRST_MS = 500;
const RETRY_MOST_MS = 5_000;

export function token(): string | null {
  return sessionStorage.getItem(TOKEN_KEY);
}

/** @throws ApiError, Unreachable; nobody is logged in then */
export async function logIn(given: string): Promise<void> {
  const who = await request<Actor>(given, 'GET', 'me', {});
  sessionStorage.setItem(TOKEN_KEY, given);
  logInReason.value = '';
  actor.value = who;
}

export function logOut(reason = ''): void {
  sessionStorage.removeItem(TOKEN_KEY);
  logInReason.value = reason;
  actor.value = null;
}

/** @param path below `/api/v1/` @throws ApiError, Unreachable */
export async function ask<T>(method: string, path: string, options: AskOptions = {}): Promise<T> {
  try {
    return await request<T>(token() ?? '', method, path, options);
  } catch (error) {
    if (error instanceof ApiError && error.status === 401 && actor.value !== null) {
      logOut(`The server does not take this token any more: ${error.message}`);
    }
    throw error;
  }
}

/** As `ask`, for an answer that comes piece by piece. */
export async function askStream(path: string, options: AskOptions): Promise<ReadableStream<BufferSource>> {
  const response = await fetched(token() ?? '', 'GET', path, options);
  if (!response.ok || response.body === null) throw await errorOf(response);
  return response.body;
}

async function request<T>(shown: string, method: string, path: string, options: AskOptions): Promise<T> {
  const response = await fetched(shown, method, path, options);
  find();
  if (response.ok) return (await response.json()) as T;
  throw await errorOf(response);
}

/** @throws Unreachable */
async function fetched(shown: string, method: string, path: string, options: AskOptions): Promise<Response> {
  const { query = {}, body, signal } = options;
  const url = new URL(path, BASE);
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== '') url.searchParams.set(name, String(value));
  }
  try {
    return await fetch(url, {
      method,
      headers: {
        authorization: `Bearer ${shown}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal === undefined ? {} : { signal }),
      cache: 'no-store',
    });
  } catch (error) {
    if (signal?.aborted === true) throw error;
    lose();
    throw new Unreachable('The server does not answer', { cause: error });
  }
}

async function errorOf(response: Response): Promise<ApiError> {
  const { status } = response;
  try {
    const { code = 'internal', title = '', detail = title, errors = [] } = (await response.json()) as ProblemBody;
    return new ApiError(status, code, detail, errors);
  } catch {
    // A proxy in between says it in a page of its own.
    return new ApiError(status, 'internal', `The server answered ${String(status)}`);
  }
}

function lose(): void {
  if (lostSince.value !== null) return;
  lostSince.value = Date.now();
  void lookForServer();
}

function find(): void {
  if (lostSince.value === null) return;
  lostSince.value = null;
  returns.value++;
}

async function lookForServer(): Promise<void> {
  for (let waitMs = RETRY_FIRST_MS; lostSince.value !== null; waitMs = Math.min(waitMs * 2, RETRY_MOST_MS)) {
    await new Promise((resolve) => setTimeout(resolve, waitMs));
    try {
      const { ok } = await fetch(new URL('health/live', BASE), { cache: 'no-store' });
      if (ok) find();
    } catch {
      // Not yet.
    }
  }
}
