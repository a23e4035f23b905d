/** What a store should hold, written as plainly as possible, and random operations to hold one against the other. */
import fc from 'fast-check';
import type { StoreContents, StoredLane, StoredMessage, StoredRecord, StoreOperation } from '../../broker/ports.js';
import { FakeClock } from '../helpers/fake-clock.js';

interface Lane {
  readonly messages: Map<number, StoredMessage>;
  mark: number;
}

export class StoreModel {
  readonly #streams = new Map<string, Map<number, Lane>>();
  readonly #records = new Map<string, StoredRecord>();

  commit(operations: readonly StoreOperation[]): void {
    for (const operation of operations) this.#apply(operation);
  }

  read(
    stream: string,
    priority: number,
    afterSequence: number,
    limits: { readonly maxMessages: number; readonly maxBytes: number },
  ): StoredMessage[] {
    const behind = this.#sorted(stream, priority).filter(({ sequence }) => sequence > afterSequence);
    let bytes = 0;
    return behind.filter(({ weightBytes }, at) => {
      bytes += weightBytes;
      return at === 0 || (at < limits.maxMessages && bytes <= limits.maxBytes);
    });
  }

  /** As at `open`: a stream without a message is not there any more, its marks included. */
  reopen(nowEpochMs: number): StoreContents {
    for (const [stream, lanes] of this.#streams) {
      if ([...lanes.values()].every(({ messages }) => messages.size === 0)) this.#streams.delete(stream);
    }
    const lanes = [...this.#streams].flatMap(([stream, lanes]) =>
      [...lanes].map(([priority, { mark }]): StoredLane => {
        const messages = this.#sorted(stream, priority);
        const bytes = messages.reduce((sum, { weightBytes }) => sum + weightBytes, 0);
        return { stream, priority, messages: messages.length, bytes, markedSequence: mark };
      }),
    );
    const records = [...this.#records.values()].filter(
      ({ expiresEpochMs }) => expiresEpochMs === 0 || expiresEpochMs > nowEpochMs,
    );
    return sortContents({ lanes: lanes.filter(({ messages }) => messages > 0), records });
  }

  #apply(operation: StoreOperation): void {
    switch (operation.kind) {
      case 'append':
        this.#lane(operation.stream, operation.message.priority).messages.set(
          operation.message.sequence,
          operation.message,
        );
        return;
      case 'remove':
        this.#lane(operation.stream, operation.priority).messages.delete(operation.sequence);
        return;
      case 'update': {
        const { messages } = this.#lane(operation.stream, operation.priority);
        const message = messages.get(operation.sequence);
        const { deliveryCount, notBeforeEpochMs } = operation;
        if (message !== undefined) messages.set(operation.sequence, { ...message, deliveryCount, notBeforeEpochMs });
        return;
      }
      case 'mark': {
        const lane = this.#lane(operation.stream, operation.priority);
        lane.mark = Math.max(lane.mark, operation.sequence);
        return;
      }
      case 'trim': {
        const { messages } = this.#lane(operation.stream, operation.priority);
        for (const sequence of messages.keys()) if (sequence <= operation.sequence) messages.delete(sequence);
        return;
      }
      case 'drop':
        this.#streams.delete(operation.stream);
        return;
      case 'put':
        this.#records.set(operation.key, {
          key: operation.key,
          value: operation.value,
          expiresEpochMs: operation.expiresEpochMs,
        });
        return;
      case 'delete':
        this.#records.delete(operation.key);
    }
  }

  #lane(stream: string, priority: number): Lane {
    const lanes = this.#streams.get(stream) ?? new Map<number, Lane>();
    this.#streams.set(stream, lanes);
    const lane = lanes.get(priority) ?? { messages: new Map<number, StoredMessage>(), mark: 0 };
    lanes.set(priority, lane);
    return lane;
  }

  #sorted(stream: string, priority: number): StoredMessage[] {
    const messages = this.#streams.get(stream)?.get(priority)?.messages.values() ?? [];
    return [...messages].sort((a, b) => a.sequence - b.sequence);
  }
}

/** In one order, to be compared. */
export function sortContents({ lanes, records }: StoreContents): StoreContents {
  const place = ({ stream, priority }: StoredLane): string => `${stream} ${priority}`;
  return {
    lanes: [...lanes].sort((a, b) => (place(a) < place(b) ? -1 : 1)),
    records: [...records].sort((a, b) => (a.key < b.key ? -1 : 1)),
  };
}

const stream = fc.constantFrom('/queue/a', '/queue/b', '', 'Ünïcode\u{1f41d}\u0000');
const priority = fc.constantFrom(0, 4, 9);
/** Few, so that operations meet; the greatest that there is among them. */
const sequence = fc.oneof(
  { weight: 9, arbitrary: fc.integer({ min: 1, max: 12 }) },
  { weight: 1, arbitrary: fc.constant(Number.MAX_SAFE_INTEGER) },
);
const start = new FakeClock().epochMs();
const epochMs = fc.constantFrom(0, 1, start + 500, start + 1_000, start + 1_500);
const key = fc.constantFrom('a', 'b', 'c', '');
const message: fc.Arbitrary<StoredMessage> = fc.record({
  sequence,
  priority,
  octets: fc.uint8Array({ maxLength: 20 }),
  weightBytes: fc.nat(100),
  publishedEpochMs: epochMs,
  expiresEpochMs: epochMs,
  notBeforeEpochMs: epochMs,
  deliveryCount: fc.nat(5),
});
/** Of one message or everything up to it. */
const place = { stream, priority, sequence };

const operation: fc.Arbitrary<StoreOperation> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('append' as const), stream, message }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('remove' as const), ...place }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('update' as const),
      ...place,
      deliveryCount: fc.nat(9),
      notBeforeEpochMs: epochMs,
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('mark' as const), ...place }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('trim' as const), ...place }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('drop' as const), stream }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('put' as const),
      key,
      value: fc.string({ unit: 'grapheme', maxLength: 10 }),
      expiresEpochMs: epochMs,
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete' as const), key }) },
);

/** One call, or time that passes, or the store closed and opened again. */
export type StoreStep =
  | { readonly kind: 'commit'; readonly operations: readonly StoreOperation[] }
  | {
      readonly kind: 'read';
      readonly stream: string;
      readonly priority: number;
      readonly afterSequence: number;
      readonly maxMessages: number;
      readonly maxBytes: number;
    }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'reopen' };

export const storeSteps: fc.Arbitrary<StoreStep[]> = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('commit' as const),
        operations: fc.array(operation, { maxLength: 8 }),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('read' as const),
        stream,
        priority,
        afterSequence: fc.oneof(fc.constant(0), sequence),
        maxMessages: fc.integer({ min: 1, max: 6 }),
        maxBytes: fc.constantFrom(0, 50, 150, 10_000),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(1, 499, 600) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('reopen' as const) }) },
  ),
  { maxLength: 25 },
);
