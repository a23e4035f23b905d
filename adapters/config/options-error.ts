/** Every fault found in one set of options, a line each, so that a person mends a file in one go. */
import { BrokerError } from '../../broker/errors.js';

/** A BrokerError `invalid-option` whose message is all faults, one a line. */
export class OptionsError extends BrokerError {
  /** `path: got …, wants …`; no line holds a passcode. */
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super('invalid-option', faults.join('\n'));
    this.faults = faults;
  }

  /** The same faults, each saying first where it was read. */
  from(source: string): OptionsError {
    return new OptionsError(this.faults.map((fault) => `${source}: ${fault}`));
  }
}
