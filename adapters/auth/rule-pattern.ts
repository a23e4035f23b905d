/**
 * Destination patterns of rules, and how they stand to what a client names: a destination, or itself a pattern. As in
 * SUBSCRIBE `?`, `*`, `**`, `{name}`, `{name:regex}`; but `{user}` is the name of whoever asks.
 */
import { BrokerError } from '../../broker/errors.js';
import { VariableReader } from '../../broker/application/path-variables.js';
import {
  compileSegment,
  hasWildcard,
  isBeyondTest,
  splitSegments,
  type SegmentTest,
} from '../../broker/destinations/pattern.js';

/** One segment of a rule's pattern. */
interface RuleSegment {
  readonly text: string;
  /** What stands before and behind `{user}`; null when it is not there. */
  readonly aroundUser: readonly [string, string] | null;
  readonly matchesAll: boolean;
  readonly isWild: boolean;
  readonly test: SegmentTest;
}

/** One segment of what a client names. */
interface AskedSegment {
  readonly text: string;
  /** Null for a literal one. */
  readonly test: SegmentTest | null;
}

/** What a client names, taken apart once for all rules. */
export class AskedDestination {
  readonly text: string;
  readonly isPattern: boolean;
  readonly segments: readonly AskedSegment[];
  /** As the user's name stands in a destination; null when no segment can be it. */
  readonly user: string | null;

  /** @param isPattern wildcards are meant as such, as in SUBSCRIBE; @param user null for anonymous clients */
  constructor(text: string, separator: string, isPattern: boolean, user: string | null) {
    this.text = text;
    this.isPattern = isPattern;
    this.segments = splitSegments(text, separator).map((segment) => ({
      text: segment,
      test: isPattern && hasWildcard(segment) ? testOf(segment) : null,
    }));
    // `a%2Fb` could be two users (Spring S3.26): then it is nobody's.
    this.user = user === null || user.includes('%2F') ? null : user.replaceAll('/', '%2F');
  }
}

export class RulePattern {
  readonly text: string;
  readonly #segments: readonly RuleSegment[];
  readonly #variables: VariableReader;

  /** @throws BrokerError `destination-invalid` */
  constructor(text: string, separator: string) {
    this.text = text;
    this.#segments = splitSegments(text, separator).map(compileRuleSegment);
    this.#variables = new VariableReader(text, separator);
  }

  /** Whether everything that is asked for matches: of a pattern, only when that is certain. */
  covers(asked: AskedDestination): boolean {
    return this.#match(asked, (rule, segment) => isCovered(rule, segment, asked.user), false);
  }

  /** Whether something that is asked for may match. */
  overlaps(asked: AskedDestination): boolean {
    return this.#match(asked, (rule, segment) => canMeet(rule, segment, asked.user), true);
  }

  /** Of a destination that matches. */
  variablesOf(destination: string): Readonly<Record<string, string>> {
    return this.#variables.read(destination);
  }

  /** @param openAsked whether `**` on the asking side may stand for whatever the rule wants */
  #match(
    { segments: asked }: AskedDestination,
    meets: (rule: RuleSegment, asked: AskedSegment) => boolean,
    openAsked: boolean,
  ): boolean {
    const rule = this.#segments;
    // From the end: row r says which rests of `asked` the rest of the rule from r on matches. No recursion, whatever a
    // client sends: the work is the product of the two lengths.
    let below: boolean[] = [];
    for (let r = rule.length; r >= 0; r--) {
      const segment = rule[r];
      const row: boolean[] = [];
      for (let a = asked.length; a >= 0; a--) {
        const other = asked[a];
        const isAskedOpen = openAsked && other?.text === '**' && other.test !== null;
        if (segment === undefined) row[a] = other === undefined || (isAskedOpen && row[a + 1] === true);
        else if (segment.text === '**') row[a] = below[a] === true || (other !== undefined && row[a + 1] === true);
        else if (isAskedOpen) row[a] = row[a + 1] === true || below[a] === true;
        else row[a] = other !== undefined && meets(segment, other) && below[a + 1] === true;
      }
      below = row;
    }
    return below[0] === true;
  }
}

function isCovered(rule: RuleSegment, asked: AskedSegment, user: string | null): boolean {
  // `**` may be none or many, which one segment of a rule cannot cover.
  if (asked.text === '**' && asked.test !== null) return false;
  if (rule.aroundUser !== null) return asked.test === null && isOfUser(rule.aroundUser, asked.text, user);
  if (rule.matchesAll) return true;
  return asked.test === null ? rule.test(asked.text) : rule.text === asked.text;
}

function canMeet(rule: RuleSegment, asked: AskedSegment, user: string | null): boolean {
  if (asked.test === null) {
    if (rule.aroundUser !== null) return isOfUser(rule.aroundUser, asked.text, user);
    // A name that is too long to be compared must not be a way around a rule.
    return rule.matchesAll || rule.test(asked.text) || (rule.isWild && isBeyondTest(rule.text, asked.text));
  }
  if (rule.aroundUser !== null) {
    return user !== null && asked.test(`${rule.aroundUser[0]}${user}${rule.aroundUser[1]}`);
  }
  // Two wild ones may always meet: to know better is not worth a mistake.
  return rule.isWild || asked.test(rule.text);
}

function isOfUser([before, behind]: readonly [string, string], segment: string, user: string | null): boolean {
  return user !== null && segment === `${before}${user}${behind}`;
}

function compileRuleSegment(text: string): RuleSegment {
  const parts = text.split('{user}');
  const [before = '', behind = ''] = parts;
  if (parts.length > 2 || (parts.length === 2 && (hasWildcard(before) || hasWildcard(behind)))) {
    throw new BrokerError(
      'destination-invalid',
      `"{user}" stands once in a segment and beside no wildcard, got "${text}"`,
    );
  }
  return {
    text,
    aroundUser: parts.length === 2 ? [before, behind] : null,
    matchesAll: text === '*' || /^\{[^{}:]+\}$/.test(text),
    isWild: hasWildcard(text),
    test: testOf(text),
  };
}

/** Literal segments are compared, not globbed. */
function testOf(segment: string): SegmentTest {
  return hasWildcard(segment) ? compileSegment(segment) : (other) => other === segment;
}
