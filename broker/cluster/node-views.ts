/** What a node tells others of its sessions and users, and how the words of several nodes become one. */
import type { SessionDetails } from '../operations/details.js';
import { firstBehind, type PageRequest } from './page.js';

/** A session as other nodes hear of it. */
export interface ClusterSession {
  readonly id: string;
  readonly nodeId: string;
  /** Null: anonymous, or not connected yet. */
  readonly user: string | null;
  readonly transport: string;
  readonly remoteAddress: string;
  readonly version: string;
  readonly subscriptions: number;
}

export interface ClusterUser {
  readonly name: string;
  /** On all nodes that answered. */
  readonly sessions: readonly ClusterSession[];
}

export interface ClusterSubscription {
  /** Null on 1.0 without an id. */
  readonly id: string | null;
  /** As the client wrote it. */
  readonly destination: string;
  readonly session: ClusterSession;
}

export interface UserPage {
  /** By name. */
  readonly users: readonly ClusterUser[];
  /** `after` of the next page; null: that was all. */
  readonly next: string | null;
}

export interface SessionPage {
  /** By id. */
  readonly sessions: readonly ClusterSession[];
  readonly next: string | null;
}

/** Which sessions are meant: all of what is said. */
export interface SessionFilter {
  readonly user?: string | undefined;
  readonly remoteAddress?: string | undefined;
}

export function viewOf(session: SessionDetails, nodeId: string): ClusterSession {
  const { id, user, transport, remoteAddress, version, subscriptionCount } = session;
  return { id, nodeId, user: user?.name ?? null, transport, remoteAddress, version, subscriptions: subscriptionCount };
}

export function isMeant(session: SessionDetails, { user, remoteAddress }: SessionFilter): boolean {
  if (user !== undefined && session.user?.name !== user) return false;
  return remoteAddress === undefined || session.remoteAddress === remoteAddress;
}

/** Each node has given its first ones, at least as many as are wanted: so the first of all are among them. */
export function mergeUsers(pages: readonly (readonly ClusterUser[])[], request: PageRequest): UserPage {
  const byName = new Map<string, ClusterSession[]>();
  for (const { name, sessions } of pages.flat()) {
    const known = byName.get(name);
    if (known === undefined) byName.set(name, [...sessions]);
    else known.push(...sessions);
  }
  const all = [...byName].map(([name, sessions]) => ({ name, sessions }));
  const users = firstBehind(all, ({ name }) => name, request);
  return { users, next: nextOf(users.at(-1)?.name, users.length, request) };
}

export function mergeSessions(pages: readonly (readonly ClusterSession[])[], request: PageRequest): SessionPage {
  const sessions = firstBehind(pages.flat(), ({ id }) => id, request);
  return { sessions, next: nextOf(sessions.at(-1)?.id, sessions.length, request) };
}

function nextOf(last: string | undefined, count: number, { limit }: PageRequest): string | null {
  return last === undefined || count < limit ? null : last;
}

/** Every number that is in any of them, added up; what is no number is that of the first. */
export function sumOf<T>(values: readonly T[]): T {
  const [first] = values;
  if (typeof first === 'number') return values.reduce<number>((sum, value) => sum + Number(value), 0) as T;
  const objects = values.filter((value): value is T & object => typeof value === 'object' && value !== null);
  if (objects.length === 0) return first as T;
  const keys = new Set(objects.flatMap((value) => Object.keys(value)));
  const entries = [...keys].map((key) => {
    const parts = objects.map((value) => (value as Record<string, unknown>)[key]).filter((part) => part !== undefined);
    return [key, sumOf(parts)] as const;
  });
  return Object.fromEntries(entries) as T;
}

/** Names as numbers of 53 bits, which different names have by chance once in some ten million million pairs. */
export function packNames(names: Iterable<string>): string {
  const hashes: number[] = [];
  for (const name of names) hashes.push(hashOf(name));
  return Buffer.from(Float64Array.from(hashes).buffer).toString('base64');
}

/** How many different names there are. */
export function countNames(packed: readonly string[]): number {
  const different = new Set<number>();
  for (const each of packed) {
    const octets = Buffer.from(each, 'base64');
    for (let at = 0; at + 8 <= octets.length; at += 8) different.add(octets.readDoubleLE(at));
  }
  return different.size;
}

/** Two hashes of 32 bits in the manner of MurmurHash, one of them cut to 21. */
function hashOf(text: string): number {
  let [high, low] = [0xdeadbeef, 0x41c6ce57];
  for (let k = 0; k < text.length; k++) {
    const unit = text.charCodeAt(k);
    high = Math.imul(high ^ unit, 2_654_435_761);
    low = Math.imul(low ^ unit, 1_597_334_677);
  }
  high = Math.imul(high ^ (high >>> 16), 2_246_822_507) ^ Math.imul(low ^ (low >>> 13), 3_266_489_909);
  low = Math.imul(low ^ (low >>> 16), 2_246_822_507) ^ Math.imul(high ^ (high >>> 13), 3_266_489_909);
  return 4_294_967_296 * (2_097_151 & low) + (high >>> 0);
}
