/** Values of flags and variables, checked where they are read. */
import { InvalidArgumentError } from 'commander';
import { parseWorkers, WORKERS_WANTED, type WorkersOption } from '../config/workers-option.js';

/** @throws InvalidArgumentError, which commander reports as wrong usage */
export function parsePort(text: string): number {
  return parseNumber(text, 0, 65_535);
}

/** @throws InvalidArgumentError */
export function parseWorkersFlag(text: string): WorkersOption {
  const workers = parseWorkers(text);
  if (workers === null) throw new InvalidArgumentError(`wants ${WORKERS_WANTED}`);
  return workers;
}

/** @throws InvalidArgumentError */
export function parseNumber(text: string, min: number, max: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : NaN;
  if (value >= min && value <= max) return value;
  throw new InvalidArgumentError(`wants a number from ${min} to ${max}`);
}

/** Adds one `-H name:value` to those before it. @throws InvalidArgumentError */
export function collectHeader(text: string, before: readonly (readonly [string, string])[] = []): [string, string][] {
  const colon = text.indexOf(':');
  if (colon < 1) throw new InvalidArgumentError('wants name:value');
  return [
    ...before.map(([name, value]): [string, string] => [name, value]),
    [text.slice(0, colon), text.slice(colon + 1)],
  ];
}

/** Adds one of a repeated option to those before it. */
export function collect(text: string, before: readonly string[] = []): string[] {
  return [...before, text];
}
