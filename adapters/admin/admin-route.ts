/**
 * One route of the admin API, in words that know no web framework: what it is asked, by whom, and what it answers. The
 * document of the API is made of the same definition, so that the two cannot differ.
 */
import type { z } from 'zod';
import type { Actor, AdminRole } from './admin-access.js';
import type { ProblemCode } from './problem.js';

export type RouteTag =
  'health' | 'statistics' | 'cluster' | 'sessions' | 'users' | 'destinations' | 'queues' | 'messages' | 'server';

export interface RouteInput<P, Q, B> {
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  /** Null where nobody has to say who they are. */
  readonly actor: Actor | null;
}

export interface RouteDefinition<P, Q, B, R> {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Under `/api/v1`; `:name` for what is in `params`. */
  readonly path: string;
  /** Names the operation in the document and in the audit log. */
  readonly operation: string;
  readonly tag: RouteTag;
  readonly summary: string;
  readonly description?: string;
  /** Null: open to everybody. */
  readonly role: AdminRole | null;
  readonly params?: z.ZodType<P>;
  readonly query?: z.ZodType<Q>;
  readonly body?: z.ZodType<B>;
  readonly response: z.ZodType<R>;
  /** Default 200. */
  readonly status?: 200 | 202;
  /** Beside those that every route can answer. */
  readonly problems?: readonly ProblemCode[];
  /** Of an act, for the audit log: what it was done to. Missing: it only looks. */
  readonly subject?: (input: Omit<RouteInput<P, Q, B>, 'actor'>) => Readonly<Record<string, unknown>>;
  /**
   * The answer goes on: what is handed back is a Readable, and `response` describes one line of it. It is destroyed when the
   * client goes or the server stops.
   */
  readonly stream?: { readonly mediaType: string };
  readonly handle: (input: RouteInput<P, Q, B>) => R | Promise<R>;
}

export type AdminRoute = RouteDefinition<unknown, unknown, unknown, unknown>;

/** Holds the types of one definition together, then forgets them: a list of routes is of many. */
export function route<R, P = unknown, Q = unknown, B = unknown>(definition: RouteDefinition<P, Q, B, R>): AdminRoute {
  return definition as unknown as AdminRoute;
}
