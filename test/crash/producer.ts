/** Sends messages in its own random way until its share is sent or the broker is gone: one by one, in bursts, in transactions. */
import type { SeededRandom } from '../helpers/seeded-random.js';
import { formatId, type History } from './history.js';
import type { LoadClient } from './load-client.js';
import { bodyOf, copiesOf, headersOf, type LoadedQueue } from './workload.js';

/** Frames sent ahead of their RECEIPTs. */
const MOST_AHEAD = 64;

/** Names messages: numbers of one producer grow over all lives of the broker. */
export class MessageNumbers {
  readonly #last = new Map<string, number>();

  next(producer: string, queue: string, priority: number): string {
    const number = (this.#last.get(producer) ?? 0) + 1;
    this.#last.set(producer, number);
    return formatId({ producer, queue, priority, number });
  }
}

export interface ProducerParts {
  readonly name: string;
  readonly queues: readonly [LoadedQueue, ...LoadedQueue[]];
  readonly client: LoadClient;
  readonly history: History;
  readonly numbers: MessageNumbers;
  readonly random: SeededRandom;
}

/** One that no producer sends, of the lowest priority: whatever is still in the queue comes before it. */
export function sendLast(
  { client, history, numbers }: Omit<ProducerParts, 'name' | 'queues' | 'random'>,
  queue: string,
): void {
  const id = numbers.next('end', queue, 0);
  const copies = copiesOf(id);
  for (const copy of copies) history.add({ kind: 'sent', id: copy, transaction: null });
  const onReceipt = (): void => {
    for (const copy of copies) history.add({ kind: 'confirmed', id: copy });
  };
  client.request('SEND', headersOf(id), onReceipt, { body: bodyOf(id) });
}

export class Producer {
  readonly #parts: ProducerParts;
  #sent = 0;
  #transactions = 0;

  constructor(parts: ProducerParts) {
    this.#parts = parts;
  }

  /** Resolves after so many messages, or at the end of the connection. */
  async run(messages: number): Promise<void> {
    const { client, random } = this.#parts;
    while (this.#sent < messages && !client.hasEnded) {
      const choice = random.next();
      if (choice < 0.4) {
        this.#send(null);
        await client.awaiting(0);
      } else if (choice < 0.75) {
        for (let k = random.between(5, 40); k > 0; k--) this.#send(null);
        await client.awaiting(MOST_AHEAD);
      } else {
        this.#transact();
        await client.awaiting(random.chance(0.5) ? 0 : MOST_AHEAD);
      }
    }
  }

  /** @returns the ids of what it becomes */
  #send(transaction: string | null): string[] {
    const { name, queues, client, history, numbers, random } = this.#parts;
    const queue = random.pick(queues);
    const id = numbers.next(name, queue.name, random.pick(queue.priorities));
    this.#sent++;
    const copies = copiesOf(id);
    const addAll = (kind: 'confirmed' | 'denied'): void => {
      for (const copy of copies) history.add({ kind, id: copy });
    };
    for (const copy of copies) history.add({ kind: 'sent', id: copy, transaction });
    const headers = headersOf(id);
    if (transaction !== null) client.send('SEND', { ...headers, transaction }, bodyOf(id));
    else {
      const onError = (): void => addAll('denied');
      client.request('SEND', headers, () => addAll('confirmed'), { body: bodyOf(id), onError });
    }
    return copies;
  }

  #transact(): void {
    const { name: producer, client, history, random } = this.#parts;
    // Ids of transactions are a session's own; what is behind the last one sent makes it one of the whole history.
    const name = `${producer}-${++this.#transactions}-${history.events.length}`;
    client.send('BEGIN', { transaction: name });
    const sends: string[] = [];
    for (let k = random.between(2, 8); k > 0; k--) sends.push(...this.#send(name));
    if (random.chance(0.15)) {
      client.request('ABORT', { transaction: name }, () => undefined);
      return;
    }
    history.add({ kind: 'committing', transaction: { name, sends, acks: [], rejects: [] } });
    const onReceipt = (): void => history.add({ kind: 'committed', name });
    const onError = (): void => history.add({ kind: 'commit-denied', name });
    client.request('COMMIT', { transaction: name }, onReceipt, { onError });
  }
}
