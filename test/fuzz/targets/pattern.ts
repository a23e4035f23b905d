/** A pattern and destinations behind LFs: the index finds what Spring's matching, written out, says; or the pattern is refused. */
import { BrokerError } from '../../../broker/errors.js';
import {
  compileSegment,
  hasWildcard,
  isPattern,
  patternWeight,
  splitSegments,
} from '../../../broker/destinations/pattern.js';
import { SegmentPatterns } from '../../../broker/destinations/segment-patterns.js';
import { antMatch } from '../../helpers/ant-match.js';
import type { SeededRandom } from '../../helpers/seeded-random.js';
import type { Target } from './target.js';

const PIECES = [
  'a',
  'b',
  'price.',
  '*',
  '?',
  '**',
  '{n}',
  '{n:[a-z]+}',
  '{n:\\d{2}}',
  '{n:(a)}',
  '{',
  '}',
  '.',
  '\\',
  '[a]',
  'é',
] as const;

function segment(random: SeededRandom): string {
  return Array.from({ length: random.between(1, 3) }, () => random.pick(PIECES)).join('');
}

export const pattern: Target = {
  name: 'patterns',
  covers: ['broker/destinations/pattern.js', 'broker/destinations/segment-patterns.js'],
  separator: 10,
  maxBytes: 300,
  words: [...PIECES, '/'],
  generate(random) {
    const path = (): string =>
      `/topic/${Array.from({ length: random.between(1, 3) }, () => segment(random)).join('/')}`;
    return Buffer.from([path(), path(), path()].join('\n'));
  },
  run(input) {
    const [text = '', ...destinations] = input.toString().split('\n');
    const segments = splitSegments(text, '/');
    if (patternWeight(text, '/') < 0) throw new Error('a negative weight');
    if (isPattern(text) !== segments.some((each) => hasWildcard(each)) && !/\{[^}]*\/[^{]*\}/.test(text))
      throw new Error('a pattern without a wild segment, or the other way round');
    for (const each of segments)
      if (hasWildcard(each) && each !== '*' && each !== '**') checkSegment(each, destinations);
  },
};

function checkSegment(wild: string, destinations: readonly string[]): void {
  let matches: (text: string) => boolean;
  const index = new SegmentPatterns<string>();
  try {
    matches = compileSegment(wild);
    index.add(wild, wild);
  } catch (error) {
    if (!(error instanceof BrokerError) || error.code !== 'destination-invalid') throw error;
    return;
  }
  for (const text of destinations.flatMap((destination) => splitSegments(destination, '/'))) {
    const isFound = [...index.candidates(text)].some(({ test }) => test(text));
    if (isFound !== matches(text))
      throw new Error(`${JSON.stringify([wild, text])}: found ${String(isFound)}, matches ${String(!isFound)}`);
    // What a regex or braces inside braces mean to Java's is not said here.
    if (/[{}\\]/.test(wild.replace(/\{[a-z]*\}/g, ''))) continue;
    if (text.length <= 128 && /^[\x20-\x7e]*$/.test(text) && antMatch(wild, text, '/') !== isFound)
      throw new Error(`${JSON.stringify([wild, text])}: found ${String(isFound)}, Spring says ${String(!isFound)}`);
  }
  index.remove(wild);
  if (!index.isEmpty || [...index.candidates('a')].length > 0) throw new Error('something is left of a pattern');
}
