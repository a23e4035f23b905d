/**
 * The condition of one SUBSCRIBE on the headers of the messages it wants: the selector language of JMS (2.0, 3.8.1), a
 * subset of SQL-92's conditions. Parsed once, at SUBSCRIBE (conformance X-14).
 */
import { BrokerError } from '../errors.js';
import { compileCondition, type Condition, type HeaderMap } from './compiler.js';
import { parseSelector } from './parser.js';

export class Selector {
  readonly text: string;
  /** Length of its text in octets, which bounds what one evaluation and the compiled form cost. */
  readonly bytes: number;
  readonly #condition: Condition;

  /**
   * @param maxBytes longest text taken
   * @throws BrokerError `selector-invalid` for an empty, malformed, too long or too deep one, naming the place, what stands
   * there and what was wanted
   */
  constructor(text: string, maxBytes: number) {
    this.text = text;
    this.bytes = Buffer.byteLength(text);
    if (this.bytes > maxBytes) {
      throw new BrokerError('selector-invalid', `Selector of ${this.bytes} octets, the limit is ${maxBytes}`);
    }
    this.#condition = compileCondition(parseSelector(text));
  }

  /** Only what is true is wanted: neither false nor UNKNOWN. */
  matches(headers: HeaderMap): boolean {
    return this.#condition(headers) === true;
  }
}
