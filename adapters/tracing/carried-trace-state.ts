/** The `tracestate` of a message: whoever made it reads it; here it is carried on (W3C Trace Context, 3.3). */
import type { TraceState } from '@opentelemetry/api';

export class CarriedTraceState implements TraceState {
  readonly #members: ReadonlyMap<string, string>;

  private constructor(members: ReadonlyMap<string, string>) {
    this.#members = members;
  }

  /** What is no member of a list is left out. */
  static parse(text: string): CarriedTraceState {
    const members = text.split(',').map((member) => member.trim());
    const pairs = members.filter((member) => member.indexOf('=') > 0);
    return new CarriedTraceState(
      new Map(pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)])),
    );
  }

  get(key: string): string | undefined {
    return this.#members.get(key);
  }

  /** The newest stands in front. */
  set(key: string, value: string): CarriedTraceState {
    const others = [...this.#members].filter(([name]) => name !== key);
    return new CarriedTraceState(new Map([[key, value], ...others]));
  }

  unset(key: string): CarriedTraceState {
    return new CarriedTraceState(new Map([...this.#members].filter(([name]) => name !== key)));
  }

  serialize(): string {
    return [...this.#members].map(([key, value]) => `${key}=${value}`).join(',');
  }
}
