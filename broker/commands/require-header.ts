/** Headers that a command cannot do without. */
import { quoteInput, type Frame } from '../../protocol/index.js';
import { BrokerError } from '../errors.js';

/**
 * A header that must be there and must not be empty.
 * @throws BrokerError `header-missing`
 */
export function requireHeader(frame: Frame, name: string): string {
  const value = frame.headers.get(name);
  if (value !== undefined && value !== '') return value;
  throw new BrokerError(
    'header-missing',
    `${frame.command} needs a header "${name}"${value === '' ? ', got an empty one' : ''}`,
  );
}

/**
 * A header that holds a positive whole number, when it is there.
 * @throws BrokerError `header-invalid`
 */
export function positiveHeader(frame: Frame, name: string): number | undefined {
  const value = frame.headers.get(name);
  if (value === undefined) return undefined;
  if (/^\s*[1-9]\d{0,8}\s*$/.test(value)) return Number(value);
  throw new BrokerError(
    'header-invalid',
    `${frame.command} header "${name}": got ${quoteInput(value)}, wants a whole number from 1`,
  );
}
