/** `{name}` in the patterns of `/app` handlers: the types inferred from the pattern's text, and the values from a path. */
import { splitSegments } from '../destinations/pattern.js';

/**
 * The variables of a pattern as an object type: `PathVariables<'/chat/{room}/{id:\\d+}'>` is `{ room: string; id: string }`.
 * A pattern that is not known at compile time gives any name a string.
 */
export type PathVariables<Pattern extends string> = string extends Pattern
  ? Readonly<Record<string, string>>
  : { readonly [Name in VariableNames<Pattern>]: string };

type VariableNames<Pattern extends string> = Pattern extends `${string}{${infer Inside}}${infer Rest}`
  ? NameOf<Inside> | VariableNames<Rest>
  : never;

type NameOf<Inside extends string> = Inside extends `${infer Name}:${string}` ? Name : Inside;

/** How the variables of one segment are found: one regular expression with a group for each. */
interface SegmentVariables {
  readonly expression: RegExp;
  readonly names: readonly string[];
}

/** Reads variables out of paths that are known to match the pattern; made once for each handler. */
export class VariableReader {
  readonly #separator: string;
  readonly #segments: readonly (SegmentVariables | null)[];
  /** Where `**` stands; -1 when it does not. Variables behind it are counted from the end. */
  readonly #restAt: number;

  constructor(pattern: string, separator: string) {
    this.#separator = separator;
    const segments = splitSegments(pattern, separator);
    this.#restAt = segments.indexOf('**');
    this.#segments = segments.map(readSegment);
  }

  read(path: string): Readonly<Record<string, string>> {
    const values = Object.create(null) as Record<string, string>;
    const segments = splitSegments(path, this.#separator);
    for (const [index, variables] of this.#segments.entries()) {
      if (variables === null) continue;
      const isBehindRest = this.#restAt >= 0 && index > this.#restAt;
      const at = isBehindRest ? segments.length - (this.#segments.length - index) : index;
      const match = variables.expression.exec(segments[at] ?? '');
      for (const [group, name] of variables.names.entries()) values[name] = match?.[group + 1] ?? '';
    }
    return values;
  }
}

function readSegment(segment: string): SegmentVariables | null {
  const names: string[] = [];
  let source = '';
  for (const [text, name, regex] of segment.matchAll(/\{([^{}:]+)(?::((?:[^{}]|\{[\d,]*\})*))?\}|[^{}]+|[{}]/g)) {
    if (name !== undefined) {
      names.push(name);
      source += `(${regex ?? '.*'})`;
    } else
      source += text
        .replace(/[\\^$.|+()[\]{}]/g, '\\$&')
        .replaceAll('?', '.')
        .replaceAll('*', '.*');
  }
  return names.length === 0 ? null : { expression: new RegExp(`^${source}$`, 'su'), names };
}

/** Puts variables into the places that `{name}` marks in a reply destination (Spring S6.14). */
export function fillVariables(template: string, variables: Readonly<Record<string, string>>): string {
  return template.replace(/\{([^{}]+)\}/g, (whole, name: string) => variables[name] ?? whole);
}
