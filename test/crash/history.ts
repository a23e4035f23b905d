/**
 * What clients of a broker did and saw, one event after the other, over all its lives. A message is known by its id:
 * producer/queue/priority/number, where numbers of one producer only grow. find-violations.ts says what may not happen.
 */

/** What one COMMIT asks for. */
export interface TransactionContents {
  readonly name: string;
  readonly sends: readonly string[];
  readonly acks: readonly string[];
  /** Refused for good: they go to the dead letters. */
  readonly rejects: readonly string[];
}

export type HistoryEvent =
  /** SEND was written. With a transaction it counts from COMMIT on. */
  | { readonly kind: 'sent'; readonly id: string; readonly transaction: string | null }
  /** RECEIPT of a SEND outside transactions. */
  | { readonly kind: 'confirmed'; readonly id: string }
  /** ERROR for a SEND outside transactions. */
  | { readonly kind: 'denied'; readonly id: string }
  | {
      readonly kind: 'delivered';
      readonly id: string;
      /** Where it came from: its own queue or the dead letters. */
      readonly queue: string;
      readonly session: string;
      readonly redelivered: boolean;
    }
  /** ACK was written, outside transactions. */
  | { readonly kind: 'acked'; readonly ids: readonly string[] }
  | { readonly kind: 'ack-confirmed'; readonly ids: readonly string[] }
  /** NACK was written: it is to come again. */
  | { readonly kind: 'refused'; readonly id: string }
  /** NACK with `requeue:false` was written, outside transactions. */
  | { readonly kind: 'rejected'; readonly id: string }
  | { readonly kind: 'reject-confirmed'; readonly id: string }
  /** COMMIT was written. */
  | { readonly kind: 'committing'; readonly transaction: TransactionContents }
  | { readonly kind: 'committed'; readonly name: string }
  /** ERROR for a COMMIT. */
  | { readonly kind: 'commit-denied'; readonly name: string }
  /** The connection is gone, whoever ended it. */
  | { readonly kind: 'ended'; readonly session: string }
  /** The broker was killed or stopped; every session has ended. */
  | { readonly kind: 'restarted' }
  /** Something that has no place in any history: ERROR, a body that is not as it was sent. */
  | { readonly kind: 'fault'; readonly text: string };

export interface MessageName {
  readonly producer: string;
  readonly queue: string;
  readonly priority: number;
  readonly number: number;
}

export function formatId({ producer, queue, priority, number }: MessageName): string {
  return `${producer}/${queue}/${priority}/${number}`;
}

/** Null for what is no id. */
export function parseId(id: string): MessageName | null {
  const [, producer, queue, priority, number] = /^([\w-]+)\/([\w-]+)\/(\d)\/(\d+)$/.exec(id) ?? [];
  if (producer === undefined || queue === undefined) return null;
  return { producer, queue, priority: Number(priority), number: Number(number) };
}

/** Writes a history, and knows at any time what is still to come. */
export class History {
  readonly events: HistoryEvent[] = [];
  readonly #confirmed = new Set<string>();
  /** An ACK was written for the last delivery. */
  readonly #claimed = new Set<string>();
  readonly #owed = new Set<string>();
  readonly #open = new Map<string, TransactionContents>();
  #onEvent: (() => void) | null = null;

  /** Messages confirmed, and not acknowledged since they came last. */
  get owed(): number {
    return this.#owed.size;
  }

  add(event: HistoryEvent): void {
    this.events.push(event);
    switch (event.kind) {
      case 'confirmed':
        this.#owe(event.id);
        break;
      case 'delivered':
        this.#claimed.delete(event.id);
        if (this.#confirmed.has(event.id)) this.#owed.add(event.id);
        break;
      case 'acked':
        this.#claim(event.ids);
        break;
      case 'committing':
        this.#open.set(event.transaction.name, event.transaction);
        this.#claim(event.transaction.acks);
        break;
      case 'committed':
        for (const id of this.#open.get(event.name)?.sends ?? []) this.#owe(id);
        this.#open.delete(event.name);
        break;
      default:
        break;
    }
    this.#onEvent?.();
  }

  /** Resolves once nothing is owed, or once nothing has happened for so long. @returns whether nothing is owed */
  async settled(quietMs: number): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#onEvent = () => {
        clearTimeout(timer);
        if (this.owed === 0) resolve();
        else timer = setTimeout(resolve, quietMs);
      };
      this.#onEvent();
    });
    clearTimeout(timer);
    this.#onEvent = null;
    return this.owed === 0;
  }

  /** A consumer can be faster with its ACK than the producer with reading its RECEIPT. */
  #owe(id: string): void {
    this.#confirmed.add(id);
    if (!this.#claimed.has(id)) this.#owed.add(id);
  }

  #claim(ids: readonly string[]): void {
    for (const id of ids) {
      this.#claimed.add(id);
      this.#owed.delete(id);
    }
  }
}
