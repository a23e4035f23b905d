/** Messages given in auto mode that may not have left yet: they are settled when the outbox has written them. */
import type { Message } from '../message.js';
import type { Subscription } from '../subscription.js';

interface Given {
  readonly message: Message;
  /** What the outbox has to be past. */
  readonly place: number;
}

export class GivenMessages {
  /** Null until the first. */
  #bySubscription: Map<Subscription, Given[]> | null = null;

  /** A message is on its way to a client. */
  add(subscription: Subscription, message: Message): void {
    const bySubscription = (this.#bySubscription ??= new Map<Subscription, Given[]>());
    let given = bySubscription.get(subscription);
    if (given === undefined) bySubscription.set(subscription, (given = []));
    given.push({ message, place: subscription.outbox.place });
    subscription.outbox.hold(subscription);
  }

  /** The outbox has written something. @returns what has left, oldest first */
  takeSent(subscription: Subscription): readonly Message[] {
    const given = this.#bySubscription?.get(subscription);
    if (given === undefined) return [];
    const { outbox } = subscription;
    let sent = 0;
    while (sent < given.length && outbox.hasSent((given[sent] as Given).place)) sent++;
    const left = given.splice(0, sent);
    if (given.length === 0) this.#bySubscription?.delete(subscription);
    else outbox.hold(subscription);
    return left.map(({ message }) => message);
  }

  /** The subscription ends. @param unsent what never left @returns everything else that was given to it */
  end(subscription: Subscription, unsent: ReadonlySet<Message>): readonly Message[] {
    const given = this.#bySubscription?.get(subscription) ?? [];
    this.#bySubscription?.delete(subscription);
    return given.map(({ message }) => message).filter((message) => !unsent.has(message));
  }
}
