/**
 * LIKE: `_` is any one character, `%` any run of them, none included. All places of the pattern that the text so far can
 * have reached are kept as bits of a few words and moved on together (Baeza-Yates and Gonnet's shift-and), so that the
 * cost is characters × pattern / 32 whatever the two are: nothing is ever tried again.
 */
const BITS = 32;

/** A longer text is like nothing: of a header at its limit, as many patterns as fit would read for 100 ms (measured). */
const MAX_TEXT = 4_096;

/** @param escape makes the character behind it stand for itself; one character, or null */
export function compileLike(pattern: string, escape: string | null): (text: string) => boolean {
  const { elements, runs } = parsePattern(pattern, escape);
  const words = Math.floor(elements.length / BITS) + 1;
  const stay = new Uint32Array(words);
  for (const place of runs) setBit(stay, place);
  const anyone = new Uint32Array(words);
  for (const [place, element] of elements.entries()) if (element === null) setBit(anyone, place);
  /** For each character of the pattern: the places behind which it may come next. */
  const steps = new Map<string, Uint32Array>();
  for (const [place, element] of elements.entries()) {
    if (element === null) continue;
    let step = steps.get(element);
    if (step === undefined) steps.set(element, (step = anyone.slice()));
    setBit(step, place);
  }
  const goal = elements.length;
  const isOpen = runs.has(goal);
  if (words === 1) return compileShort({ steps, anyone: anyone[0] ?? 0, stay: stay[0] ?? 0, goal, isOpen });
  // Matching is synchronous and never inside itself, so one set of words serves every text.
  const reached = new Uint32Array(words);
  return (text) => {
    if (text.length > MAX_TEXT) return false;
    reached.fill(0);
    reached[0] = 1;
    for (const character of text) {
      if (!advance(reached, steps.get(character) ?? anyone, stay)) return false;
      if (isOpen && hasBit(reached, goal)) return true;
    }
    return hasBit(reached, goal);
  };
}

interface ShortPattern {
  readonly steps: ReadonlyMap<string, Uint32Array>;
  readonly anyone: number;
  readonly stay: number;
  readonly goal: number;
  readonly isOpen: boolean;
}

/** Patterns of one word, which most are: ASCII is looked up without a string for each character, some 2 ns each. */
function compileShort({ steps, anyone, stay, goal, isOpen }: ShortPattern): (text: string) => boolean {
  const ascii = new Int32Array(128).fill(anyone);
  for (const [character, step] of steps) {
    const code = character.codePointAt(0) ?? 0;
    if (code < 128) ascii[code] = step[0] ?? 0;
  }
  const goalBit = 1 << goal;
  return (text) => {
    if (text.length > MAX_TEXT) return false;
    let reached = 1;
    for (let at = 0; at < text.length; at++) {
      const code = text.codePointAt(at) ?? 0;
      const step = code < 128 ? (ascii[code] ?? 0) : (steps.get(String.fromCodePoint(code))?.[0] ?? anyone);
      // A character of two code units.
      if (code > 0xffff) at++;
      reached = ((reached & step) << 1) | (reached & stay);
      if (reached === 0) return false;
      if (isOpen && (reached & goalBit) !== 0) return true;
    }
    return (reached & goalBit) !== 0;
  };
}

interface Pattern {
  /** Null is any one character. */
  readonly elements: readonly (string | null)[];
  /** How many elements stand before each `%`. */
  readonly runs: ReadonlySet<number>;
}

function parsePattern(pattern: string, escape: string | null): Pattern {
  const elements: (string | null)[] = [];
  const runs = new Set<number>();
  let isEscaped = false;
  for (const character of pattern) {
    if (isEscaped) elements.push(character);
    else if (character === '%' && character !== escape) runs.add(elements.length);
    else if (character !== escape) elements.push(character === '_' ? null : character);
    isEscaped = !isEscaped && character === escape;
  }
  return { elements, runs };
}

/** One character on; false when no place is left. */
function advance(reached: Uint32Array, step: Uint32Array, stay: Uint32Array): boolean {
  let carry = 0;
  let any = 0;
  for (let word = 0; word < reached.length; word++) {
    const places = reached[word] ?? 0;
    const moved = places & (step[word] ?? 0);
    const next = (moved << 1) | carry | (places & (stay[word] ?? 0));
    carry = moved >>> (BITS - 1);
    reached[word] = next;
    any |= next;
  }
  return any !== 0;
}

function setBit(words: Uint32Array, bit: number): void {
  const word = Math.floor(bit / BITS);
  words[word] = (words[word] ?? 0) | (1 << (bit % BITS));
}

function hasBit(words: Uint32Array, bit: number): boolean {
  return (((words[Math.floor(bit / BITS)] ?? 0) >>> (bit % BITS)) & 1) === 1;
}
