/**
 * Operations and messages on their way between threads: all numbers in one array, all octets in one, both handed over
 * rather than copied. Cloning an object for each message costs several times as much.
 */
import type { StoredMessage, StoreOperation } from '../../broker/ports.js';

export interface Packed {
  /** For each entry its own row of numbers, one behind the other. */
  readonly numbers: Float64Array<ArrayBuffer>;
  /** Names, keys and values; numbers refer to them by position. */
  readonly texts: readonly string[];
  readonly octets: Uint8Array<ArrayBuffer>;
}

const KINDS = [
  'append',
  'remove',
  'update',
  'mark',
  'trim',
  'drop',
  'put',
  'delete',
] as const satisfies readonly StoreOperation['kind'][];
/** Sequence, priority, weight, three times, delivery count, octets. */
const MESSAGE_NUMBERS = 8;
/** Kind and text. */
const OPERATION_NUMBERS = 2;

/** What `postMessage` may take over, so that it is not copied. */
export function transferable({ numbers, octets }: Packed): ArrayBuffer[] {
  return [numbers.buffer, octets.buffer];
}

export function packOperations(operations: readonly StoreOperation[]): Packed {
  let numbers = 0;
  let octets = 0;
  for (const operation of operations) {
    numbers += OPERATION_NUMBERS + MESSAGE_NUMBERS;
    if (operation.kind === 'append') octets += operation.message.octets.byteLength;
  }
  const writer = new PackWriter(numbers, octets);
  for (const operation of operations) writeOperation(writer, operation);
  return writer.packed;
}

function writeOperation(writer: PackWriter, operation: StoreOperation): void {
  writer.number(KINDS.indexOf(operation.kind));
  if (operation.kind === 'put') {
    writer.text(operation.key);
    writer.text(operation.value);
    writer.number(operation.expiresEpochMs);
    return;
  }
  writer.text(operation.kind === 'delete' ? operation.key : operation.stream);
  if (operation.kind === 'append') writer.message(operation.message);
  else if ('sequence' in operation) {
    writer.number(operation.priority);
    writer.number(operation.sequence);
    if (operation.kind !== 'update') return;
    writer.number(operation.deliveryCount);
    writer.number(operation.notBeforeEpochMs);
  }
}

/** The octets of all messages share one memory. */
export function unpackOperations(packed: Packed): StoreOperation[] {
  const reader = new PackReader(packed);
  const operations: StoreOperation[] = [];
  while (reader.hasMore) operations.push(readOperation(reader));
  return operations;
}

function readOperation(reader: PackReader): StoreOperation {
  const kind = KINDS[reader.number()];
  const name = reader.text();
  switch (kind) {
    case 'append':
      return { kind, stream: name, message: reader.message() };
    case 'remove':
    case 'mark':
    case 'trim':
      return { kind, stream: name, priority: reader.number(), sequence: reader.number() };
    case 'update': {
      const [priority, sequence] = [reader.number(), reader.number()];
      const [deliveryCount, notBeforeEpochMs] = [reader.number(), reader.number()];
      return { kind, stream: name, priority, sequence, deliveryCount, notBeforeEpochMs };
    }
    case 'drop':
      return { kind, stream: name };
    case 'put':
      return { kind, key: name, value: reader.text(), expiresEpochMs: reader.number() };
    case 'delete':
      return { kind, key: name };
    default:
      throw new RangeError('an operation of no known kind');
  }
}

export function packMessages(messages: readonly StoredMessage[]): Packed {
  const octets = messages.reduce((sum, message) => sum + message.octets.byteLength, 0);
  const writer = new PackWriter(messages.length * MESSAGE_NUMBERS, octets);
  for (const message of messages) writer.message(message);
  return writer.packed;
}

/** The octets of all messages share one memory. */
export function unpackMessages(packed: Packed): StoredMessage[] {
  const reader = new PackReader(packed);
  const messages: StoredMessage[] = [];
  while (reader.hasMore) messages.push(reader.message());
  return messages;
}

class PackWriter {
  readonly #numbers: Float64Array<ArrayBuffer>;
  readonly #octets: Uint8Array<ArrayBuffer>;
  readonly #texts: string[] = [];
  #numbersEnd = 0;
  #octetsEnd = 0;

  constructor(maxNumbers: number, octets: number) {
    this.#numbers = new Float64Array(maxNumbers);
    this.#octets = new Uint8Array(octets);
  }

  get packed(): Packed {
    return { numbers: this.#numbers.subarray(0, this.#numbersEnd), texts: this.#texts, octets: this.#octets };
  }

  number(value: number): void {
    this.#numbers[this.#numbersEnd++] = value;
  }

  /** Operations on one stream mostly stand together: its name travels once. */
  text(value: string): void {
    if (this.#texts.at(-1) !== value) this.#texts.push(value);
    this.number(this.#texts.length - 1);
  }

  message(message: StoredMessage): void {
    this.number(message.sequence);
    this.number(message.priority);
    this.number(message.weightBytes);
    this.number(message.publishedEpochMs);
    this.number(message.expiresEpochMs);
    this.number(message.notBeforeEpochMs);
    this.number(message.deliveryCount);
    this.number(message.octets.byteLength);
    this.#octets.set(message.octets, this.#octetsEnd);
    this.#octetsEnd += message.octets.byteLength;
  }
}

class PackReader {
  readonly #packed: Packed;
  #numbersAt = 0;
  #octetsAt = 0;

  constructor(packed: Packed) {
    this.#packed = packed;
  }

  get hasMore(): boolean {
    return this.#numbersAt < this.#packed.numbers.length;
  }

  number(): number {
    const value = this.#packed.numbers[this.#numbersAt++];
    if (value === undefined) throw new RangeError('a row of numbers is cut short');
    return value;
  }

  text(): string {
    const value = this.#packed.texts[this.number()];
    if (value === undefined) throw new RangeError('a text is missing');
    return value;
  }

  message(): StoredMessage {
    const sequence = this.number();
    const priority = this.number();
    const weightBytes = this.number();
    const publishedEpochMs = this.number();
    const expiresEpochMs = this.number();
    const notBeforeEpochMs = this.number();
    const deliveryCount = this.number();
    const start = this.#octetsAt;
    this.#octetsAt += this.number();
    const octets = this.#packed.octets.subarray(start, this.#octetsAt);
    return {
      sequence,
      priority,
      octets,
      weightBytes,
      publishedEpochMs,
      expiresEpochMs,
      notBeforeEpochMs,
      deliveryCount,
    };
  }
}
