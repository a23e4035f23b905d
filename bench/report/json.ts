/** The report as JSON: every sample of every round. */
import type { Report } from './results.js';

/** NaN and Infinity become null. Figures keep five significant digits, which is more than any of them deserves. */
export function toJson(report: Report): string {
  const shorten = (_: string, value: unknown): unknown =>
    typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(5)) : value;
  return `${JSON.stringify(report, shorten, 1)}\n`;
}
