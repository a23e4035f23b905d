/** Inputs worth keeping: one JSON file for each target, texts with an octet in each character. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Feature } from './coverage-map.js';

const FOLDER = path.resolve(import.meta.dirname, '../../../../test/fuzz/corpus');

/** Of one target, so that the repository stays small. */
const MAX_CORPUS_BYTES = 20_000;

export function corpusFile(target: string): string {
  return path.join(FOLDER, `${target.toLowerCase().replace(/[^a-z0-9]+/g, '-')}.json`);
}

export function readCorpus(target: string): Buffer[] {
  const file = corpusFile(target);
  if (!existsSync(file)) return [];
  return (JSON.parse(readFileSync(file, 'utf8')) as string[]).map((text) => Buffer.from(text, 'latin1'));
}

export function writeCorpus(target: string, inputs: readonly Buffer[]): void {
  mkdirSync(FOLDER, { recursive: true });
  const texts = inputs.map((input) => input.toString('latin1')).sort();
  writeFileSync(corpusFile(target), `${JSON.stringify(texts, null, 2)}\n`);
}

/** An input and all that it reaches. */
export interface Reaching {
  readonly input: Buffer;
  readonly features: readonly Feature[];
}

/**
 * Few and small inputs that together reach the same blocks: each takes the smallest input that reaches it, the blocks that
 * the fewest inputs reach first, as those decide.
 */
export function distil(inputs: readonly Reaching[], maxBytes = MAX_CORPUS_BYTES): Buffer[] {
  const reaching = new Map<number, Reaching[]>();
  for (const each of inputs.toSorted((a, b) => a.input.length - b.input.length)) {
    for (const block of new Set(each.features.map((feature) => Math.floor(feature / 256)))) {
      const others = reaching.get(block);
      if (others === undefined) reaching.set(block, [each]);
      else others.push(each);
    }
  }
  const covered = new Set<number>();
  const kept: Buffer[] = [];
  let bytes = 0;
  for (const [block, [smallest]] of [...reaching].sort(([, a], [, b]) => a.length - b.length)) {
    if (covered.has(block) || smallest === undefined || bytes + smallest.input.length > maxBytes) continue;
    for (const feature of smallest.features) covered.add(Math.floor(feature / 256));
    kept.push(smallest.input);
    bytes += smallest.input.length;
  }
  return kept;
}
