/** Headers that a command reads: what they must be, and the ERROR when they are not. */
import { quoteInput, type Frame } from '../../protocol/index.js';
import { BrokerError } from '../errors.js';
import { isTrue } from '../flag-value.js';

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
  return parsed(frame, name, /^[1-9]\d{0,8}$/, Number, 'a whole number from 1');
}

/**
 * As `positiveHeader`, 0 included.
 * @throws BrokerError `header-invalid`
 */
export function wholeHeader(frame: Frame, name: string): number | undefined {
  return parsed(frame, name, /^\d{1,9}$/, Number, 'a whole number, 0 or more');
}

/**
 * A header that is `true` or `false`, or as Python writes them `True` or `False`, when it is there.
 * @throws BrokerError `header-invalid`
 */
export function flagHeader(frame: Frame, name: string): boolean | undefined {
  return parsed(frame, name, /^([Tt]rue|[Ff]alse)$/, isTrue, 'true or false');
}

/**
 * A header of some form, when it is there. Blanks around the value do not count.
 * @param wants what it is to be, for the client
 * @throws BrokerError `header-invalid`
 */
export function parsed<T>(
  frame: Frame,
  name: string,
  form: RegExp,
  read: (value: string) => T,
  wants: string,
): T | undefined {
  const value = frame.headers.get(name);
  if (value === undefined) return undefined;
  const trimmed = value.trim();
  if (form.test(trimmed)) return read(trimmed);
  throw new BrokerError(
    'header-invalid',
    `${frame.command} header "${name}": got ${quoteInput(value)}, wants ${wants}`,
  );
}
