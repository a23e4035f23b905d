/**
 * Rules by action, destination, role and user, as an ordered list: the first that matches decides, and what none matches is
 * denied (Spring S12.2). adapters/DESIGN.md has how wildcards and `/user` fare.
 */
import { BrokerError } from '../../broker/errors.js';
import { isPattern } from '../../broker/destinations/pattern.js';
import type { AuthorizationRequest, Authorizer } from '../../broker/ports.js';
import { AskedDestination, RulePattern } from './rule-pattern.js';

export type RuleAction = AuthorizationRequest['action'];

export interface Rule {
  /** Default: every action. */
  readonly action?: RuleAction | readonly RuleAction[] | undefined;
  /**
   * Patterns of which one has to match; `{user}` is the name of the asking user, other variables are free. Default: every
   * destination. A rule with destinations does not speak of `connect`.
   */
  readonly destination?: string | readonly string[] | undefined;
  /** Roles of which the user needs one. */
  readonly roles?: readonly string[] | undefined;
  /** True: users only; false: anonymous clients only. */
  readonly authenticated?: boolean | undefined;
  /**
   * The application's own condition, asked last. A subscription to a pattern never passes by a rule with one, since it is
   * about destinations nobody knows yet.
   */
  readonly check?: RuleCheck | undefined;
  readonly allow: boolean;
}

export type RuleCheck = (
  request: AuthorizationRequest,
  variables: Readonly<Record<string, string>>,
) => boolean | Promise<boolean>;

export interface RuleAuthorizerOptions {
  readonly rules: readonly Rule[];
  /** What separates the segments of destinations. Default `/`. */
  readonly separator?: '/' | '.' | undefined;
}

interface CompiledRule extends Omit<Rule, 'action' | 'destination'> {
  readonly actions: readonly RuleAction[] | null;
  readonly patterns: readonly RulePattern[] | null;
}

/** A question as rules look at it. */
interface Question {
  readonly request: AuthorizationRequest;
  /** As the client wrote it. */
  readonly written: AskedDestination;
  /** What that leads to, when this is asked now. */
  readonly resolved: AskedDestination | null;
  /** Where the presence of `written` is asked for, when it is that. */
  readonly presence: AskedDestination | null;
}

export class RuleAuthorizer implements Authorizer {
  readonly #separator: '/' | '.';
  #rules: readonly CompiledRule[];
  #forget: () => void = () => undefined;

  /** @throws BrokerError `invalid-option`, naming the rule */
  constructor({ rules, separator = '/' }: RuleAuthorizerOptions) {
    this.#separator = separator;
    this.#rules = this.#compile(rules);
  }

  /** Whether CONNECT can pass for anyone; without such a rule the server is closed. */
  get canConnect(): boolean {
    return this.#rules.some(
      ({ allow, patterns, actions }) => allow && patterns === null && speaksOf(actions, 'connect'),
    );
  }

  /**
   * Puts other rules in place for every frame from now on; subscriptions that are open stay. Without any rule everything is
   * denied.
   * @throws BrokerError `invalid-option`, naming the rule; then the old ones stay
   */
  replace(rules: readonly Rule[]): void {
    this.#rules = this.#compile(rules);
    this.#forget();
  }

  onChange(forget: () => void): void {
    this.#forget = forget;
  }

  isAllowed(request: AuthorizationRequest): boolean | Promise<boolean> {
    const { action, destination, resolvedFrom, presenceAt, principal } = request;
    const ask = (text: string): AskedDestination =>
      new AskedDestination(text, this.#separator, action === 'subscribe' && isPattern(text), principal.name);
    const resolved = resolvedFrom === undefined ? null : ask(destination);
    const presence = presenceAt === undefined ? null : ask(presenceAt);
    return this.#askFrom(this.#rules, 0, { request, written: ask(resolvedFrom ?? destination), resolved, presence });
  }

  #askFrom(rules: readonly CompiledRule[], start: number, question: Question): boolean | Promise<boolean> {
    for (let k = start; k < rules.length; k++) {
      const rule = rules[k];
      if (rule === undefined) break;
      const applies = doesApply(rule, question);
      if (typeof applies === 'object') {
        return applies.then((isSo) => (isSo ? rule.allow : this.#askFrom(rules, k + 1, question)));
      }
      if (applies) return rule.allow;
    }
    return false;
  }

  #compile(rules: readonly Rule[]): readonly CompiledRule[] {
    return rules.map(({ action, destination, ...rule }, index) => ({
      ...rule,
      actions: action === undefined ? null : [action].flat(),
      patterns: destination === undefined ? null : [destination].flat().map((text) => this.#pattern(text, index)),
    }));
  }

  #pattern(text: string, index: number): RulePattern {
    try {
      return new RulePattern(text, this.#separator);
    } catch (error) {
      if (!(error instanceof BrokerError)) throw error;
      const wants = error.message;
      throw new BrokerError('invalid-option', `rules.${index}.destination: got "${text}": ${wants}`, { cause: error });
    }
  }
}

/** Whether this is the rule that decides. */
function doesApply(rule: CompiledRule, question: Question): boolean | Promise<boolean> {
  const { request, written, resolved, presence } = question;
  const { principal, action } = request;
  if (!speaksOf(rule.actions, action)) return false;
  if (rule.authenticated !== undefined && rule.authenticated !== (principal.name !== null)) return false;
  if (rule.roles?.some((role) => principal.roles.includes(role)) === false) return false;
  const asked =
    matchOf(rule, action, written) ??
    (rule.allow || resolved === null ? null : matchOf(rule, action, resolved)) ??
    (presence === null ? null : matchOf({ ...rule, patterns: ofPresence(rule) }, action, presence));
  if (asked === null) return false;
  if (rule.check === undefined) return true;
  // Nobody can say what the function would think of all that the pattern may bring.
  if (asked.destination.isPattern) return !rule.allow;
  const variables = asked.pattern?.variablesOf(asked.destination.text) ?? {};
  return rule.check(request, variables);
}

interface Match {
  readonly destination: AskedDestination;
  readonly pattern: RulePattern | null;
}

/** Allowing needs that the rule covers all of it; for denying it is enough that it may touch some. */
function matchOf({ patterns, allow }: CompiledRule, action: RuleAction, destination: AskedDestination): Match | null {
  if (patterns === null) return { destination, pattern: null };
  if (action === 'connect') return null;
  const pattern = patterns.find((each) => (allow ? each.covers(destination) : each.overlaps(destination)));
  return pattern === undefined ? null : { destination, pattern };
}

/** Wildcards do not reach what is the server's: a rule for the presence of a topic says so. */
function ofPresence({ patterns }: CompiledRule): readonly RulePattern[] | null {
  return patterns?.filter(({ text }) => text.includes('$presence')) ?? null;
}

function speaksOf(actions: readonly RuleAction[] | null, action: RuleAction): boolean {
  return actions?.includes(action) ?? true;
}
