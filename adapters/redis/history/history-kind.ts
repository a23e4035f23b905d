/** How a message for a history is written as arguments of the commit script, and its place is read (history-lua.ts). */
import type { HistoryAppend, HistoryPlace } from '../../../broker/ports.js';
import type { SharedKinds } from '../store/shared-kind.js';
import { createName } from './history-names.js';

export const HISTORY_KINDS: SharedKinds<HistoryAppend> = {
  'history-append': {
    encode: ({ destination, group, message, bounds, maxAllBytes }) => [
      destination,
      group,
      bounds.maxMessages,
      bounds.maxBytes,
      bounds.maxAgeMs,
      message.weightBytes,
      Buffer.from(message.octets.buffer, message.octets.byteOffset, message.octets.byteLength),
      createName(),
      maxAllBytes,
    ],
    decode: (reply): HistoryPlace => {
      const [epoch = '', ...numbers] = String(reply).split(' ');
      const [offset = NaN, number = NaN, previous = NaN] = numbers.map(Number);
      if (Number.isNaN(previous)) throw new TypeError(`wants the place of a message, got ${String(reply)}`);
      return { epoch, offset, number, previous };
    },
    grows: true,
  },
};
