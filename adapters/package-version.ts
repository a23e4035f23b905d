/** Which version of hoofbeat this is. */
import { readFileSync } from 'node:fs';

/** From the package itself, two folders up from dist/adapters. */
export function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { readonly version: string }).version;
}
