/**
 * What a topic's messages do when a subscriber reads too slowly (DESIGN D8): by default they pile up until it is judged a
 * slow consumer; where only the newest matters, older ones may give way instead.
 */
import { BrokerError } from './errors.js';
import { SubscriptionIndex } from './destinations/subscription-index.js';
import type { Message } from './message.js';

export type OverflowPolicyName = 'disconnect' | 'drop-oldest' | 'latest-per-key';

/** One rule; the first whose pattern matches a topic decides. */
export interface OverflowRule {
  /** Ant-style, as in SUBSCRIBE. */
  readonly pattern: string;
  readonly policy: OverflowPolicyName;
  /** With `latest-per-key`: the header that tells messages apart; without it, the destination does. */
  readonly keyHeader?: string | undefined;
}

/** A policy by which messages give way. */
export interface GivingWay {
  readonly policy: Exclude<OverflowPolicyName, 'disconnect'>;
  /** Under `latest-per-key`: a waiting message of the same key is replaced. Null under `drop-oldest`. */
  keyOf(message: Message, destination: string): string | null;
}

const POLICIES: readonly string[] = ['disconnect', 'drop-oldest', 'latest-per-key'];
const RULE_KEYS: readonly string[] = ['pattern', 'policy', 'keyHeader'];

export class OverflowPolicies {
  readonly #index: SubscriptionIndex<{ readonly order: number; readonly rule: OverflowRule }>;

  /** @throws BrokerError `destination-invalid` for a pattern that cannot be compiled */
  constructor(rules: readonly OverflowRule[], separator: string) {
    this.#index = new SubscriptionIndex(separator);
    for (const [order, rule] of rules.entries()) this.#index.add(rule.pattern, { order, rule });
  }

  /** Null: as by default. */
  of(destination: string): GivingWay | null {
    const [first] = this.#index.match(destination).sort((a, b) => a.order - b.order);
    if (first === undefined || first.rule.policy === 'disconnect') return null;
    const { policy, keyHeader } = first.rule;
    if (policy === 'drop-oldest') return { policy, keyOf: () => null };
    return {
      policy,
      keyOf: (message, name) =>
        keyHeader === undefined ? name : `${name}\n${message.decode().headers.get(keyHeader) ?? ''}`,
    };
  }
}

/**
 * Checks rules that come from a file or from JavaScript.
 * @throws BrokerError `invalid-option`
 */
export function checkOverflowRules(value: unknown, path: string): OverflowRule[] {
  if (!Array.isArray(value)) throw fault(path, value, 'a list of { pattern, policy, keyHeader }');
  return value.map((rule: unknown, index) => checkRule(rule, `${path}[${index}]`));
}

function checkRule(rule: unknown, path: string): OverflowRule {
  if (typeof rule !== 'object' || rule === null) throw fault(path, rule, 'an object { pattern, policy, keyHeader }');
  const { pattern, policy, keyHeader } = rule as Record<string, unknown>;
  const unknownKey = Object.keys(rule).find((key) => !RULE_KEYS.includes(key));
  if (unknownKey !== undefined)
    throw fault(`${path}.${unknownKey}`, 'an unknown option', `one of ${RULE_KEYS.join(', ')}`);
  if (typeof pattern !== 'string' || pattern === '') throw fault(`${path}.pattern`, pattern, 'a destination pattern');
  if (typeof policy !== 'string' || !POLICIES.includes(policy)) {
    throw fault(`${path}.policy`, policy, `one of ${POLICIES.join(', ')}`);
  }
  if (keyHeader !== undefined && (typeof keyHeader !== 'string' || policy !== 'latest-per-key')) {
    throw fault(`${path}.keyHeader`, keyHeader, 'the name of a header, with policy latest-per-key');
  }
  return rule as OverflowRule;
}

function fault(path: string, got: unknown, wants: string): BrokerError {
  return new BrokerError(
    'invalid-option',
    `invalid option ${path}: got ${JSON.stringify(got) ?? 'nothing'}, wants ${wants}`,
  );
}
