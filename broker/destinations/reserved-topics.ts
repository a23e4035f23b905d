/**
 * Topics that the server alone publishes to: whatever stands behind a topic prefix and a `$` (DESIGN D1). Who is subscribed
 * to a topic, what happens to the broker, and what it counts.
 */
import { quoteInput } from '../../protocol/index.js';
import { BrokerError } from '../errors.js';
import { isPattern } from './pattern.js';

/** What one of them is about. */
export type ReservedTopic =
  { readonly kind: 'presence'; readonly topic: string } | { readonly kind: 'events' } | { readonly kind: 'stats' };

export class ReservedTopics {
  /** Of topics, with what separates it from the rest: `/topic/`. */
  readonly #prefixes: readonly string[];

  /** @param separator of destinations */
  constructor({ topicPrefixes, separator }: { readonly topicPrefixes: readonly string[]; readonly separator: string }) {
    this.#prefixes = topicPrefixes.map((prefix) => {
      if (/[/.]$/.test(prefix)) return prefix;
      // Behind a leading slash a slash is the custom, whatever separates the rest.
      return `${prefix}${prefix.startsWith('/') ? '/' : separator}`;
    });
  }

  /** Whether it is the server's, whatever follows the `$`. */
  covers(destination: string): boolean {
    return this.#prefixes.some(
      (prefix) => destination.startsWith('$', prefix.length) && destination.startsWith(prefix),
    );
  }

  /** `/topic/$broker/events`, under the first prefix. */
  name(kind: 'events' | 'stats'): string {
    const prefix = this.#prefixes[0] ?? '/topic/';
    return `${prefix}$broker${prefix.slice(-1)}${kind}`;
  }

  /** Where nodes say what they watch: nobody else subscribes there. */
  get nodeTalk(): string {
    const prefix = this.#prefixes[0] ?? '/topic/';
    return `${prefix}$nodes${prefix.slice(-1)}watches`;
  }

  /** Where nodes tell each other of quotas. */
  get quotaTalk(): string {
    const prefix = this.#prefixes[0] ?? '/topic/';
    return `${prefix}$nodes${prefix.slice(-1)}quotas`;
  }

  /** Where nodes tell each other of a topic: of its presence, or of what is the server's itself. */
  told(topic: string): string {
    return this.covers(topic) ? topic : (this.presenceOf(topic) ?? topic);
  }

  /** Where the presence of a topic is told; null when it is under no topic prefix. */
  presenceOf(topic: string): string | null {
    const prefix = this.#prefixes.find((each) => topic.startsWith(each));
    return prefix === undefined ? null : `${prefix}$presence${prefix.slice(-1)}${topic.slice(prefix.length)}`;
  }

  /**
   * What a destination that is covered is about.
   * @throws BrokerError `destination-invalid` for a pattern and for what is no topic, `destination-unknown`
   */
  parse(destination: string): ReservedTopic {
    const prefix = this.#prefixes.find((each) => destination.startsWith(`${each}$`)) ?? '';
    if (isPattern(destination)) {
      throw new BrokerError(
        'destination-invalid',
        `${quote(destination)} is a pattern: what is under ${prefix}$ is subscribed to one by one`,
      );
    }
    const between = prefix.slice(-1);
    const name = destination.slice(prefix.length);
    if (name === `$broker${between}events`) return { kind: 'events' };
    if (name === `$broker${between}stats`) return { kind: 'stats' };
    const start = `$presence${between}`;
    if (!name.startsWith(start)) {
      throw new BrokerError(
        'destination-unknown',
        `${quote(destination)} is not there: under ${prefix}$ are presence${between}<topic>, broker${between}events and broker${between}stats`,
      );
    }
    const topic = prefix + name.slice(start.length);
    if (topic === prefix || this.covers(topic)) {
      throw new BrokerError('destination-invalid', `${quote(destination)} does not name a topic behind $presence`);
    }
    return { kind: 'presence', topic };
  }
}

function quote(destination: string): string {
  return quoteInput(destination, 120);
}
