/**
 * Texts of configuration files: the README's own, with values changed, and worse. One that is taken means the same as JSON;
 * of one that is not each fault names the file and the place or option, and no fault holds a secret.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parseConfig } from '../../../adapters/config/config-file.js';
import { OptionsError } from '../../../adapters/config/index.js';
import type { SeededRandom } from '../../helpers/seeded-random.js';
import type { Target } from './target.js';

const README = readFileSync(path.resolve(import.meta.dirname, '../../../../README.md'), 'utf8');
const BLOCKS = [...README.matchAll(/```yaml\n([^]*?)```/g)].map(([, text = '']) => text.replace(/ +#.*$/gm, ''));
const SECRET = 'hush-5f1c';
const SCALARS = [
  '1',
  '-1',
  '0',
  '8080',
  '65536',
  '1e99',
  '.inf',
  '.nan',
  'true',
  'false',
  'null',
  '~',
  'text',
  '"\\u0000"',
  '[]',
  '{}',
  '[1, {a: b}]',
  '!!js/function x',
  '*a',
  '&a [*a]',
  '2026-01-01',
  '0x10',
  '1.5',
  '"/ws"',
  '[{ login: ann, passcode: hush-5f1c, roles: [admin] }]',
  '{ secret: hush-5f1c }',
  '{ secret: hush-5f1c-hush-5f1c-hush-5f1c-hush-5f1c, algorithms: [none] }',
  '[{ action: send, destination: "/topic/{user}/**", allow: true }]',
] as const;
const KEYS = [...new Set([...README.matchAll(/^ *(?:- )?([a-zA-Z]+):/gm)].map(([, key = '']) => key))];
/** What `OptionsError` promises of a line; YAML's own faults come with their place where it knows one. */
const FAULT =
  /^f\.yaml: (?:line \d+, column \d+: .+|.+: unknown option.*|(?:.+: )?got .+, wants .+|[^:]+: .+|[A-Z].+)$/s;

export const configText: Target = {
  name: 'config loader',
  covers: [
    'adapters/config/',
    'broker/options.js',
    'broker/quotas/',
    'broker/inbox/inbox-options.js',
    'broker/history/history-options.js',
    'broker/queue-options.js',
  ],
  separator: 10,
  maxBytes: 3_000,
  words: [...SCALARS, ...KEYS.map((key) => `${key}: `), '\n  ', '\n- ', ': '],
  generate(random) {
    const block = random.pick(BLOCKS as unknown as readonly [string, ...string[]]);
    const lines = block.split('\n').filter((line) => line.trim() !== '');
    // A part of it, from a top-level key on: whole files take milliseconds to read.
    const starts = lines.flatMap((line, k) => (/^\S/.test(line) ? [k] : []));
    const start = starts[random.between(0, starts.length - 1)] ?? 0;
    const end = starts.find((k) => k > start) ?? lines.length;
    const taken = lines.slice(start, end);
    for (let k = random.between(0, 2); k > 0; k--) changeLine(random, taken);
    return Buffer.from(taken.join('\n').slice(0, 3_000));
  },
  run(input) {
    check(input.toString());
    if (Object.hasOwn(Object.prototype, 'port') || ({} as { http?: unknown }).http !== undefined)
      throw new Error('all objects have changed');
  },
};

function changeLine(random: SeededRandom, lines: string[]): void {
  const at = random.between(0, lines.length - 1);
  const [, head] = /^(\s*(?:- )?[^:]+:)/.exec(lines[at] ?? '') ?? [];
  if (head === undefined) lines.splice(at, 1);
  else if (random.chance(0.8)) lines[at] = `${head} ${random.pick(SCALARS)}`;
  else lines[at] = (lines[at] ?? '').replace(/[a-zA-Z]+:/, `${KEYS[random.between(0, KEYS.length - 1)] ?? 'x'}:`);
}

function check(text: string): void {
  let options: unknown;
  try {
    options = parseConfig(text, 'f.yaml');
  } catch (error) {
    if (!(error instanceof OptionsError)) throw error;
    for (const fault of error.faults) checkFault(fault, text);
    return;
  }
  const written = JSON.stringify(options);
  // JSON has no word for these, and no option wants them.
  if (/Infinity|NaN/.test(String(options))) throw new Error(`taken: ${written}`);
  const again = JSON.stringify(parseConfig(written, 'f.yaml'));
  if (again !== written) throw new Error(`read again: ${again}, wants ${written}`);
}

function checkFault(fault: string, text: string): void {
  if (!FAULT.test(fault)) throw new Error(`neither place nor option: ${fault}`);
  const isOption = /^f\.yaml: [a-zA-Z0-9_.[\]]+: got /.test(fault);
  if (isOption && !/ wants /.test(fault)) throw new Error(`does not say what is wanted: ${fault}`);
  // Where the secret stands as a secret; elsewhere it is a text like any other.
  if (/(?:passcode|secret): hush/.test(text) && new RegExp(SECRET).test(fault) && !isMisplaced(fault))
    throw new Error(`a secret in a fault: ${fault}`);
}

/** YAML's own fault, or an option that was given the secret's text for something else. */
function isMisplaced(fault: string): boolean {
  return /line \d+, column|unknown option|Unresolved|Excessive/.test(fault);
}
