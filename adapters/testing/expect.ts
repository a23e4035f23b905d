/**
 * Matchers as plain functions: they look at what a client has received and return a result with a message, for whatever
 * test runner there is: `t.ok(r.pass, r.message)` in tap, `assertMatch(r)` in node:test, `expect(r.pass, r.message)` in vitest.
 */
import { AssertionError } from 'node:assert';
import { isDeepStrictEqual } from 'node:util';
import type { CloseCode } from '../../broker/close-reason.js';
import type { ReceivedFrame } from './received-frame.js';
import type { HeaderValues, TestClient, TestSubscription } from './test-client.js';

export interface MatchResult {
  readonly pass: boolean;
  /** Why it is so, whichever way it went. */
  readonly message: string;
  /** For runners that show differences. */
  readonly actual: unknown;
  readonly expected: unknown;
}

/** What is left out does not matter. */
export interface WantedMessage {
  readonly subscription?: TestSubscription | undefined;
  readonly destination?: string | undefined;
  /** Equal in depth, or a function that says whether it will do. */
  readonly payload?: unknown;
  /** These at least. */
  readonly headers?: HeaderValues | undefined;
}

/** Passes when one of the messages received so far is as wanted. */
export function expectMessage(client: TestClient, wanted: WantedMessage): MatchResult {
  const candidates = client.messages(wanted.subscription);
  const pass = candidates.some((message) => isWanted(message, wanted));
  const got = listed([...candidates, ...client.errors()]);
  const message = `${pass ? 'received' : 'did not receive'} a message ${described(wanted)}; received ${got}`;
  return { pass, message, actual: candidates.map(shown), expected: shownWanted(wanted) };
}

/** Passes when none of the messages received so far is like that; without `unwanted`, when there is none at all. */
export function expectNoMessage(client: TestClient, unwanted: WantedMessage = {}): MatchResult {
  const found = client.messages(unwanted.subscription).filter((message) => isWanted(message, unwanted));
  const pass = found.length === 0;
  const message = pass
    ? `no message ${described(unwanted)}`
    : `received ${found.length} message(s) ${described(unwanted)}: ${listed(found)}`;
  return { pass, message, actual: found.map(shown), expected: [] };
}

/** Passes when exactly these payloads have come on the subscription, in this order. */
export function expectPayloads(
  client: TestClient,
  subscription: TestSubscription,
  payloads: readonly unknown[],
): MatchResult {
  const actual = client.messages(subscription).map(({ payload }) => payload);
  const pass = isDeepStrictEqual(actual, payloads);
  const message = `payloads on ${subscription.destination}: ${text(actual)}${pass ? '' : `, wanted ${text(payloads)}`}`;
  return { pass, message, actual, expected: payloads };
}

/** Passes when an ERROR frame came, with that `code` if one is given. */
export function expectError(client: TestClient, code?: string): MatchResult {
  const codes = client.errors().map(({ headers }) => headers.get('code') ?? '');
  const pass = code === undefined ? codes.length > 0 : codes.includes(code);
  const message = `wanted ERROR ${code ?? 'of any code'}; received ${listed(client.errors())}`;
  return { pass, message, actual: codes, expected: [code ?? 'any'] };
}

/** Passes when the RECEIPT of a frame sent with header `receipt` came. */
export function expectReceipt(client: TestClient, receiptId: string): MatchResult {
  const actual = client
    .frames()
    .filter(({ command }) => command === 'RECEIPT')
    .map(({ headers }) => headers.get('receipt-id') ?? '');
  const pass = client.receipt(receiptId) !== undefined;
  const message = `wanted RECEIPT ${receiptId}; received ${text(actual)}${listedErrors(client)}`;
  return { pass, message, actual, expected: [receiptId] };
}

/** Passes when the broker has closed the connection, for that reason if one is given. */
export function expectClosed(client: TestClient, code?: CloseCode): MatchResult {
  const actual = client.closedWith;
  const pass = code === undefined ? actual !== null : actual === code;
  return {
    pass,
    message: `closed with ${actual ?? 'nothing: open'}, wanted ${code ?? 'any reason'}`,
    actual,
    expected: code,
  };
}

/** @throws AssertionError unless the match passes */
export function assertMatch({ pass, message, actual, expected }: MatchResult): void {
  if (!pass) throw new AssertionError({ message, actual, expected, operator: 'match', stackStartFn: assertMatch });
}

function isWanted(message: ReceivedFrame, wanted: WantedMessage): boolean {
  if (wanted.destination !== undefined && message.destination !== wanted.destination) return false;
  const headers = Object.entries(wanted.headers ?? {});
  if (headers.some(([name, value]) => message.headers.get(name) !== value)) return false;
  if (!('payload' in wanted)) return true;
  if (typeof wanted.payload !== 'function') return isDeepStrictEqual(message.payload, wanted.payload);
  return (wanted.payload as (payload: unknown) => unknown)(message.payload) === true;
}

function shown({ destination, payload }: ReceivedFrame): object {
  return { destination, payload };
}

function shownWanted({ destination, payload, headers }: WantedMessage): object {
  return { destination, payload, headers };
}

function described(wanted: WantedMessage): string {
  const parts = [
    wanted.destination === undefined ? '' : `to ${wanted.destination}`,
    wanted.subscription === undefined ? '' : `on ${wanted.subscription.destination}`,
    'payload' in wanted ? `with payload ${text(wanted.payload)}` : '',
    wanted.headers === undefined ? '' : `with headers ${text(wanted.headers)}`,
  ].filter((part) => part !== '');
  return parts.length === 0 ? 'of any kind' : parts.join(' ');
}

function listed(frames: readonly ReceivedFrame[]): string {
  return frames.length === 0 ? 'nothing' : frames.map((frame) => frame.toString()).join(', ');
}

function listedErrors(client: TestClient): string {
  return client.errors().length === 0 ? '' : ` and ${listed(client.errors())}`;
}

function text(value: unknown): string {
  return typeof value === 'function' ? 'that a function accepts' : JSON.stringify(value);
}
