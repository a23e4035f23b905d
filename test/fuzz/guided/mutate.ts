/** An input made of others: octets changed, cut, doubled, words put in, records (where an input has them) moved about. */
import type { SeededRandom } from '../../helpers/seeded-random.js';

/** What mutations may draw from. */
export interface Material {
  readonly words: readonly Buffer[];
  /** Another input that has reached something. */
  readonly other: Buffer;
  /** A fresh input by the grammar. */
  readonly fresh: () => Buffer;
  /** The octet between records; null where an input is one piece. */
  readonly separator: number | null;
  readonly maxBytes: number;
}

const EDGES = ['0', '-1', '1', '127', '128', '255', '256', '65535', '65536', '2147483648', '4294967296', '1e308'];
const ODD_OCTETS: readonly [number, ...number[]] = [0, 9, 10, 13, 32, 34, 39, 42, 47, 58, 91, 92, 123, 127, 128, 255];

type Change = (random: SeededRandom, octets: Buffer, material: Material) => Buffer;

/** A few changes, one after the other. */
export function mutate(random: SeededRandom, octets: Buffer, material: Material): Buffer {
  let mutated = octets;
  for (let changes = 1 << random.between(0, 3); changes > 0; changes--) {
    const isOfRecords = material.separator !== null && random.chance(0.45);
    mutated = random.pick(isOfRecords ? OF_RECORDS : OF_OCTETS)(random, mutated, material);
  }
  return mutated.subarray(0, material.maxBytes);
}

const OF_OCTETS: readonly [Change, ...Change[]] = [
  (random, octets) => {
    if (octets.length === 0) return octets;
    const flipped = Buffer.from(octets);
    const at = random.between(0, octets.length - 1);
    flipped[at] = (flipped[at] ?? 0) ^ (1 << random.between(0, 7));
    return flipped;
  },
  (random, octets) => {
    if (octets.length === 0) return octets;
    const changed = Buffer.from(octets);
    changed[random.between(0, octets.length - 1)] = random.chance(0.6)
      ? random.pick(ODD_OCTETS)
      : random.between(0, 255);
    return changed;
  },
  (random, octets) => {
    const [from, to] = stretch(random, octets, 24);
    return replace(octets, from, to, Buffer.alloc(0));
  },
  (random, octets) => {
    const [from, to] = stretch(random, octets, 24);
    const at = random.between(0, octets.length);
    const times = random.chance(0.1) ? random.between(2, 40) : 1;
    return replace(octets, at, at, Buffer.concat(Array<Buffer>(times).fill(octets.subarray(from, to))));
  },
  (random, octets, { words }) => {
    const at = random.between(0, octets.length);
    const word = words[random.between(0, words.length - 1)] ?? Buffer.alloc(0);
    return replace(octets, at, random.chance(0.5) ? Math.min(octets.length, at + word.length) : at, word);
  },
  (random, octets) => {
    const numbers = [...octets.toString('latin1').matchAll(/\d+/g)];
    const found = numbers[random.between(0, numbers.length - 1)];
    if (found === undefined) return octets;
    const value = random.chance(0.5)
      ? String(Number(found[0]) + random.between(-2, 2))
      : (EDGES[random.between(0, EDGES.length - 1)] ?? '0');
    return replace(octets, found.index, found.index + found[0].length, Buffer.from(value));
  },
  (random, octets, { other }) => {
    const [from, to] = stretch(random, other, 64);
    const at = random.between(0, octets.length);
    return replace(
      octets,
      at,
      random.chance(0.5) ? Math.min(octets.length, at + to - from) : at,
      other.subarray(from, to),
    );
  },
];

const OF_RECORDS: readonly [Change, ...Change[]] = [
  (random, octets, material) => {
    const records = split(octets, material);
    records.splice(random.between(0, records.length - 1), 1);
    return join(records, material);
  },
  (random, octets, material) => insertFrom(random, octets, split(octets, material), material),
  (random, octets, material) => insertFrom(random, octets, split(material.other, material), material),
  (random, octets, material) => insertFrom(random, octets, split(material.fresh(), material), material),
  (random, octets, material) => {
    const records = split(octets, material);
    const [a, b] = [random.between(0, records.length - 1), random.between(0, records.length - 1)];
    [records[a], records[b]] = [records[b] ?? Buffer.alloc(0), records[a] ?? Buffer.alloc(0)];
    return join(records, material);
  },
  (random, octets, material) => {
    const [head, tail] = [split(octets, material), split(material.other, material)];
    return join(
      [...head.slice(0, random.between(1, head.length)), ...tail.slice(random.between(0, tail.length))],
      material,
    );
  },
];

/** One of `from`, or a few that stand together, put in somewhere. */
function insertFrom(random: SeededRandom, octets: Buffer, from: readonly Buffer[], material: Material): Buffer {
  const records = split(octets, material);
  const start = random.between(0, Math.max(0, from.length - 1));
  records.splice(random.between(0, records.length), 0, ...from.slice(start, start + random.between(1, 3)));
  return join(records, material);
}

/** The parts of `octets` between separators: one at least. */
export function split(octets: Buffer, { separator }: Pick<Material, 'separator'>): Buffer[] {
  if (separator === null) return [octets];
  const records: Buffer[] = [];
  let from = 0;
  for (let at = octets.indexOf(separator); at >= 0; at = octets.indexOf(separator, from)) {
    records.push(octets.subarray(from, at));
    from = at + 1;
  }
  return [...records, octets.subarray(from)];
}

export function join(records: readonly Buffer[], { separator }: Pick<Material, 'separator'>): Buffer {
  const between = separator === null ? Buffer.alloc(0) : Buffer.from([separator]);
  return Buffer.concat(records.flatMap((record, k) => (k === 0 ? [record] : [between, record])));
}

function stretch(random: SeededRandom, octets: Buffer, most: number): [number, number] {
  const from = random.between(0, octets.length);
  return [from, Math.min(octets.length, from + random.between(1, most))];
}

function replace(octets: Buffer, from: number, to: number, by: Uint8Array): Buffer {
  return Buffer.concat([octets.subarray(0, from), by, octets.subarray(to)]);
}
