/**
 * `destination:/queue/a,/topic/b` on SEND, as ActiveMQ has it (conformance X-30): a message for each, all or none. Only where
 * the options say so, as a comma may be part of a name.
 */
import { Headers, quoteInput, type Frame } from '../../protocol/index.js';
import { BrokerError } from '../errors.js';
import type { DestinationOptions } from '../options.js';

/** @throws BrokerError `destination-invalid` when one is empty */
export function destinationsOf(options: DestinationOptions, destination: string): readonly string[] {
  if (!isComposite(options, destination)) return [destination];
  const parts = destination.split(',').map((part) => part.trim());
  if (!parts.includes('')) return parts;
  throw new BrokerError(
    'destination-invalid',
    `${quoteInput(destination, 120)} names nothing beside a comma: wants destinations with one comma between them`,
  );
}

export function isComposite({ composite }: DestinationOptions, destination: string): boolean {
  return composite && destination.includes(',');
}

/** The frame for one of several destinations, with all of them in `original-destination`. */
export function copyFor(frame: Frame, part: string): Frame {
  const whole = frame.headers.get('destination') ?? '';
  if (whole === part) return frame;
  const others = [...frame.headers].filter(([name]) => name !== 'destination' && name !== 'original-destination');
  return { ...frame, headers: new Headers([['destination', part], ['original-destination', whole], ...others]) };
}
