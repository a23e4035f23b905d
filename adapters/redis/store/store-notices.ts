/** What other nodes have this one told: something waits in a queue or an inbox, a user is written to, something was announced. */
import type { SharedStoreEvents } from '../../../broker/ports.js';
import type { RedisCommands } from '../connection/redis-commands.js';
import type { Listening, RedisSignals } from '../connection/redis-signals.js';
import { readUserMessage } from './inbox-kinds.js';

/** In front of the name of a user for whom something waits. */
const INBOX = 'inbox:';
/** In front of a session that another one of its client has displaced. */
const CLIENT = 'client:';

export class StoreNotices {
  readonly #commands: RedisCommands;
  readonly #signals: RedisSignals;
  readonly #endings: (() => void)[] = [];
  #events: SharedStoreEvents | null = null;
  /** This node's name among those that ask; empty until it has asked for something. */
  #incarnation = '';
  #own: readonly Listening[] = [];
  #isStarted = false;

  constructor(commands: RedisCommands, signals: RedisSignals) {
    this.#commands = commands;
    this.#signals = signals;
  }

  listen(events: SharedStoreEvents): void {
    this.#events = events;
  }

  /** Resolves after the first attempt, whether it succeeded or not. With nobody to tell, nothing is heard. */
  async start(): Promise<void> {
    const events = this.#events;
    if (events === null) return;
    const announced = this.#signals.listen('announced', (octets) => {
      events.onAnnounced(octets.toString());
    });
    const look = (): void => {
      this.#reached();
    };
    const unannounce = (): void => {
      announced.stop();
    };
    this.#endings.push(unannounce, this.#signals.onChange(look), this.#commands.onChange(look));
    this.#isStarted = true;
    await this.#signals.start();
  }

  /** From now on this node asks under this name: it is told under it, and once it is, it has to look. */
  hearAs(incarnation: string): void {
    const events = this.#events;
    if (incarnation === this.#incarnation || events === null) return;
    this.#incarnation = incarnation;
    this.#stopOwn();
    const woken = this.#signals.listen(`wake:${incarnation}`, (octets) => {
      const name = octets.toString();
      if (name.startsWith(INBOX)) events.onInbox(name.slice(INBOX.length));
      else if (name.startsWith(CLIENT)) events.onDisplaced(name.slice(CLIENT.length));
      else events.onWake(name);
    });
    const written = this.#signals.listen(`user:${incarnation}`, (octets) => {
      events.onUserMessage(readUserMessage(octets));
    });
    this.#own = [woken, written];
    const inForce = this.#own.flatMap((each) => each.inForce ?? []);
    if (inForce.length === 0) return;
    Promise.all(inForce).then(
      () => {
        this.#reached();
      },
      // As any loss: whoever waits looks again by itself now and then.
      () => undefined,
    );
  }

  #stopOwn(): void {
    for (const each of this.#own) each.stop();
  }

  async stop(): Promise<void> {
    this.#events = null;
    this.#stopOwn();
    for (const end of this.#endings) end();
    if (!this.#isStarted) return;
    this.#isStarted = false;
    await this.#signals.stop();
  }

  /** What was told before is not known: whoever waits has to look. */
  #reached(): void {
    if (this.#signals.isUp && this.#commands.isUp) this.#events?.onReachable();
  }
}
