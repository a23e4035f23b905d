/** Faults that the soak has to find, planted in the soaked process from outside: none of this is in the product. */
import type { EventEmitter } from 'node:events';
import type { Broker } from '../../broker/broker.js';

export const PLANTED_FAULTS = ['listener', 'timer', 'heap', 'session', 'lost', 'doubled', 'miscounted'] as const;

/** What every session leaves behind. */
const kept: unknown[] = [];

/** @param fault one of PLANTED_FAULTS; undefined: none @throws Error for any other */
export function plantFault(fault: string | undefined, broker: Broker, io: unknown): void {
  let messages = 0;
  switch (fault) {
    case undefined:
      return;
    case 'listener':
      broker.events.on('connected', () => {
        (io as EventEmitter).on('soak', () => undefined);
        process.on('soak', () => undefined);
      });
      return;
    case 'timer':
      broker.events.on('connected', () => {
        setInterval(() => undefined, 3_600_000).unref();
      });
      return;
    case 'heap':
      broker.events.on('connected', () => {
        kept.push(Array.from({ length: 500 }, () => ({ at: Math.random() })));
      });
      return;
    case 'session':
      broker.events.on('connected', ({ session }) => {
        kept.push(session);
      });
      return;
    case 'lost':
      // One in five hundred, of those that were taken on and receipted.
      broker.interceptBroker((message) => (++messages % 500 === 0 ? null : message));
      return;
    case 'doubled':
      broker.interceptBroker((message) => {
        if (++messages % 500 === 0) void broker.convertAndSend(message.destination, message.body.toString());
        return message;
      });
      return;
    case 'miscounted':
      // A message that nobody sent.
      broker.events.on('connected', () => {
        if (++messages % 100 === 0) void broker.convertAndSendToUser('u0', '/queue/other', 'x');
      });
      return;
    default:
      throw new Error(`HOOFBEAT_SOAK_PLANT: got ${fault}, wants one of ${PLANTED_FAULTS.join(', ')}`);
  }
}
