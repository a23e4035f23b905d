/** One session at the external broker: on a shared connection until it needs one of its own (DESIGN 3), and then on that. */
import type { RelayClient, RelayedMessage, RelayRequest, RelaySubscription } from '../../../broker/ports.js';
import type { ClientLink } from './client-link.js';
import type { PublishWindow } from './publish-window.js';
import type { HeaderList } from './upstream-connection.js';

export interface RelayClientParts {
  /** Null: it has a connection of its own from the start. */
  readonly shared: PublishWindow | null;
  readonly openLink: () => ClientLink;
}

export class StompRelayClient implements RelayClient {
  readonly ready: Promise<void> | undefined;
  readonly #parts: RelayClientParts;
  #link: ClientLink | null = null;

  constructor(parts: RelayClientParts) {
    this.#parts = parts;
    this.ready = parts.shared === null ? this.#open().opened() : undefined;
  }

  submit(request: RelayRequest): Promise<void> | undefined {
    return this.#way().submit(request);
  }

  caughtUp(): Promise<void> | undefined {
    return this.#way().caughtUp();
  }

  settled(): Promise<void> | undefined {
    // What is on a connection of its own is processed before that ends.
    return this.#link === null ? this.#parts.shared?.settled() : undefined;
  }

  async subscribe(headers: HeaderList, onMessage: (message: RelayedMessage) => void): Promise<RelaySubscription> {
    // What went over the shared connection must not be overtaken by what follows here.
    if (this.#link === null) await this.#parts.shared?.settled();
    const link = this.#link ?? this.#open();
    await link.opened();
    return link.subscribe(headers, onMessage);
  }

  pause(): void {
    this.#link?.pause();
  }

  resume(): void {
    this.#link?.resume();
  }

  close(): void {
    this.#link?.close();
  }

  #way(): ClientLink | PublishWindow {
    if (this.#link?.isOver === true && this.#parts.shared !== null) this.#link = null;
    return this.#link ?? this.#parts.shared ?? this.#open();
  }

  #open(): ClientLink {
    return (this.#link = this.#parts.openLink());
  }
}
