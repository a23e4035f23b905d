/** Pieces that the schemas of options share; each `error` text is what the option wants. */
import { z } from 'zod';

export const text = z.string({ error: 'text' }).min(1, 'text');
export const host = z.string({ error: 'a host name or IP address' }).regex(/^[^\s/]+$/, 'a host name or IP address');
export const flag = z.boolean({ error: 'true or false' });
const HEADER = 'the name of a header';
export const headerName = z.string({ error: HEADER }).regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, HEADER);
export const strings = z.array(text, { error: 'a list of texts' });

export function wholeNumber(max: number, min = 0): z.ZodNumber {
  const wants = `a number from ${String(min)} to ${String(max)}`;
  return z.number({ error: wants }).int(wants).min(min, wants).max(max, wants);
}

export const tls = z.strictObject({ certFile: text, keyFile: text }, { error: 'an object with certFile and keyFile' });
