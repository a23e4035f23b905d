/**
 * Subscriptions of everybody here on one connection, kept over its losses. After an ERROR, which names nobody, the confirmed
 * ones are made again first and the others one by one, so that the guilty one shows itself.
 */
import type { BrokerError } from '../../../broker/errors.js';
import type { RelaySubscription, SharedSubscriptionEvents } from '../../../broker/ports.js';
import type { Frame } from '../../../protocol/index.js';
import { relayedMessage } from './relayed-message.js';
import type { HeaderList, UpstreamConnection, UpstreamEnd } from './upstream-connection.js';

interface Shared {
  readonly id: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly events: SharedSubscriptionEvents;
  /** On this connection. */
  isWritten: boolean;
  isConfirmed: boolean;
  /** Of the one who asked for it; null when it was confirmed once. */
  waiter: { readonly resolve: () => void; readonly reject: (error: BrokerError) => void } | null;
}

export class SharedSubscriptions {
  /** Throws when nothing is to be taken on. */
  readonly #assertAvailable: () => void;
  readonly #byId = new Map<string, Shared>();
  /** Those that may have brought an ERROR about: each is sent alone, when nothing else is unconfirmed. */
  readonly #suspects = new Set<Shared>();
  /** Those that wait until no suspect is left. */
  readonly #held = new Set<Shared>();
  #connection: UpstreamConnection | null = null;
  /** Written and not confirmed. */
  #open = 0;
  #lastId = 0;

  constructor(assertAvailable: () => void) {
    this.#assertAvailable = assertAvailable;
  }

  get size(): number {
    return this.#byId.size;
  }

  /** @throws BrokerError as `BrokerRelay.shareSubscription` */
  async subscribe(headers: HeaderList, events: SharedSubscriptionEvents): Promise<RelaySubscription> {
    this.#assertAvailable();
    const id = `hoofbeat-${++this.#lastId}`;
    const own = [...headers].filter(([name]) => name !== 'id' && name !== 'receipt');
    const all = [['id', id] as const, ...own];
    const shared: Shared = { id, headers: all, events, isWritten: false, isConfirmed: false, waiter: null };
    await new Promise<void>((resolve, reject) => {
      shared.waiter = { resolve, reject };
      this.#byId.set(id, shared);
      if (this.#suspects.size > 0) this.#held.add(shared);
      else this.#write(shared);
    });
    return {
      end: () => {
        this.#end(shared);
        return undefined;
      },
    };
  }

  onUp(connection: UpstreamConnection): void {
    this.#connection = connection;
    for (const shared of this.#byId.values()) {
      if (!this.#suspects.has(shared) && !this.#held.has(shared)) this.#write(shared);
    }
    this.#goOn();
  }

  onMessage(frame: Frame): void {
    this.#byId.get(frame.headers.get('subscription') ?? '')?.events.onMessage(relayedMessage(frame, null));
  }

  onDown({ error, isRefusal, wasConnected }: UpstreamEnd): void {
    this.#connection = null;
    this.#open = 0;
    const open: Shared[] = [];
    for (const shared of this.#byId.values()) {
      if (shared.isWritten && !shared.isConfirmed) open.push(shared);
      shared.isWritten = shared.isConfirmed = false;
    }
    if (isRefusal && wasConnected) this.#suspect(open, error);
    else this.#giveUpWaiting(error);
  }

  #suspect(open: readonly Shared[], error: BrokerError): void {
    const [guilty] = open;
    if (open.length === 1 && guilty !== undefined) this.#refuse(guilty, error);
    else for (const shared of open) this.#suspects.add(shared);
  }

  /** Who waits is told; what was confirmed once is made again. */
  #giveUpWaiting(error: BrokerError): void {
    for (const shared of [...this.#byId.values()]) if (shared.waiter !== null) this.#refuse(shared, error);
  }

  #refuse(shared: Shared, error: BrokerError): void {
    this.#forget(shared);
    const { waiter } = shared;
    if (waiter === null) shared.events.onRefused(error);
    else waiter.reject(error);
  }

  /** The next suspect, when nothing else is open; then those that waited for the suspects. */
  #goOn(): void {
    if (this.#connection === null || this.#open > 0) return;
    const [suspect] = this.#suspects;
    if (suspect !== undefined) {
      this.#write(suspect);
      return;
    }
    for (const shared of this.#held) this.#write(shared);
    this.#held.clear();
  }

  #write(shared: Shared): void {
    const connection = this.#connection;
    if (connection === null) return;
    shared.isWritten = true;
    this.#open++;
    const receipt = connection.askReceipt(() => {
      this.#confirm(shared);
    });
    connection.send('SUBSCRIBE', [...shared.headers, receipt]);
  }

  #confirm(shared: Shared): void {
    this.#open--;
    shared.isConfirmed = true;
    this.#suspects.delete(shared);
    const { waiter } = shared;
    shared.waiter = null;
    waiter?.resolve();
    this.#goOn();
  }

  #end(shared: Shared): void {
    if (!this.#byId.has(shared.id)) return;
    this.#forget(shared);
    if (shared.isWritten) this.#connection?.send('UNSUBSCRIBE', [['id', shared.id]]);
    this.#goOn();
  }

  #forget(shared: Shared): void {
    this.#byId.delete(shared.id);
    this.#suspects.delete(shared);
    this.#held.delete(shared);
  }
}
