/**
 * The checker: what in a history of clients is against the promises of durable queues (DESIGN D4, D5). It knows nothing
 * of the broker; it takes for granted that at the end of the history every queue was consumed until it was empty.
 */
import { parseId, type HistoryEvent, type MessageName, type TransactionContents } from './history.js';

export interface Violation {
  readonly kind:
    'lost' | 'returned' | 'reordered' | 'half a transaction' | 'invented' | 'delivered twice' | 'unmarked' | 'fault';
  readonly text: string;
  /** Empty for a fault. */
  readonly ids: readonly string[];
}

export interface QueueTraits {
  readonly name: string;
  /** One consumer at a time: then first deliveries are in order over all sessions, otherwise within each. */
  readonly isExclusive: boolean;
}

export interface CheckedQueues {
  readonly queues: readonly QueueTraits[];
  /** Name of the queue of dead letters: messages of every other may come from there once they were rejected. */
  readonly deadLetters: string;
}

/** Those found, in the order in which the history shows them; what can be said at its end alone comes last. */
export function findViolations(events: readonly HistoryEvent[], queues: CheckedQueues): Violation[] {
  const checker = new Checker(queues);
  for (const event of events) checker.onEvent(event);
  checker.onEnd();
  return checker.violations;
}

/** What is known of one message at one point of the history. */
interface Known extends MessageName {
  readonly id: string;
  /** SEND was in this transaction. */
  readonly transaction: string | null;
  /** It may have taken effect: SEND, or the COMMIT of its transaction, was written. */
  mayExist: boolean;
  /** It has to be there. */
  isConfirmed: boolean;
  lastDelivery: { readonly session: string; readonly queue: string; readonly life: number } | null;
  /** An ACK was written behind the last delivery. */
  mayBeDone: boolean;
  /** An ACK was confirmed. */
  isDone: boolean;
  mayBeRejected: boolean;
  /** A NACK with `requeue:false` was confirmed, or it was seen among the dead letters. */
  isRejected: boolean;
  /** Whoever got it has neither refused it nor gone away. */
  holder: string | null;
}

/** A COMMIT that was written. */
interface Commit {
  readonly contents: TransactionContents;
  isConfirmed: boolean;
  /** Of what it acknowledges and rejects: those that came again from the queue they were taken from. */
  readonly returned: Set<string>;
}

class Checker {
  readonly violations: Violation[] = [];
  readonly #deadLetters: string;
  readonly #exclusive: ReadonlySet<string>;
  readonly #messages = new Map<string, Known>();
  readonly #commits = new Map<string, Commit>();
  /** By message: the last COMMIT that acknowledges or rejects it. */
  readonly #commitOf = new Map<string, Commit>();
  readonly #newest = new Map<string, number>();
  readonly #ended = new Set<string>();
  #life = 0;

  constructor({ queues, deadLetters }: CheckedQueues) {
    this.#deadLetters = deadLetters;
    this.#exclusive = new Set(queues.filter(({ isExclusive }) => isExclusive).map(({ name }) => name));
  }

  onEvent(event: HistoryEvent): void {
    switch (event.kind) {
      case 'sent':
        this.#add(event.id, event.transaction);
        break;
      case 'confirmed':
        this.#get(event.id).isConfirmed = true;
        break;
      case 'denied':
        this.#get(event.id).mayExist = false;
        break;
      case 'delivered':
        this.#onDelivered(event);
        break;
      case 'acked':
        for (const id of event.ids) this.#get(id).mayBeDone = true;
        break;
      case 'ack-confirmed':
        for (const id of event.ids) this.#get(id).isDone = true;
        break;
      case 'refused':
        this.#get(event.id).holder = null;
        break;
      case 'rejected':
        this.#reject(event.id);
        break;
      case 'reject-confirmed':
        this.#get(event.id).isRejected = true;
        break;
      case 'committing':
        this.#onCommitting(event.transaction);
        break;
      case 'committed':
        this.#onCommitted(event.name);
        break;
      case 'commit-denied':
        this.#onCommitDenied(event.name);
        break;
      case 'ended':
        this.#ended.add(event.session);
        break;
      case 'restarted':
        this.#life++;
        break;
      case 'fault':
        this.violations.push({ kind: 'fault', text: event.text, ids: [] });
    }
  }

  onEnd(): void {
    for (const commit of this.#commits.values()) if (!commit.isConfirmed) this.#checkWhole(commit);
    for (const message of this.#messages.values()) this.#checkPresent(message);
  }

  #add(id: string, transaction: string | null): Known {
    const name = parseId(id);
    if (name === null || this.#messages.has(id)) throw new Error(`no history: ${id} is sent twice, or is no id`);
    const message: Known = {
      ...name,
      id,
      transaction,
      mayExist: transaction === null,
      isConfirmed: false,
      lastDelivery: null,
      mayBeDone: false,
      isDone: false,
      mayBeRejected: false,
      isRejected: false,
      holder: null,
    };
    this.#messages.set(id, message);
    return message;
  }

  #onDelivered({ id, queue, session, redelivered }: HistoryEvent & { readonly kind: 'delivered' }): void {
    let message = this.#messages.get(id);
    if (message === undefined) {
      this.#report('invented', `${id} came from ${queue} and was never sent`, id);
      message = this.#add(id, null);
    }
    this.#checkOrigin(message, queue);
    this.#checkSettled(message, queue);
    this.#checkHolder(message, queue, session);
    if (queue === message.queue) this.#checkOrder(message, session, redelivered);
    const before = message.lastDelivery;
    if (before?.life === this.#life && before.queue === queue && !redelivered) {
      this.#report('unmarked', `${id} came again from ${queue} in the same life without redelivered:true`, id);
    }
    message.lastDelivery = { session, queue, life: this.#life };
    message.holder = session;
    message.mayBeDone = false;
    if (queue === this.#deadLetters) message.isRejected = true;
    else this.#commitOf.get(id)?.returned.add(id);
  }

  #checkOrigin({ id, queue: own, transaction, mayExist, mayBeRejected }: Known, queue: string): void {
    if (!mayExist) {
      const why = transaction === null ? 'though it was refused with ERROR' : `without COMMIT of ${transaction}`;
      this.#report('invented', `${id} came from ${queue} ${why}`, id);
    }
    if (queue === own) return;
    if (queue !== this.#deadLetters) this.#report('invented', `${id} came from ${queue}, which is not its queue`, id);
    else if (!mayBeRejected) this.#report('invented', `${id} is among the dead letters, and nobody rejected it`, id);
  }

  #checkSettled({ id, isDone, isRejected }: Known, queue: string): void {
    if (isDone) this.#report('returned', `${id} came from ${queue} after its ACK was confirmed`, id);
    else if (isRejected && queue !== this.#deadLetters) {
      this.#report('returned', `${id} came from ${queue} after it was rejected for good`, id);
    }
  }

  #checkHolder({ id, holder, lastDelivery }: Known, queue: string, session: string): void {
    if (holder === null || lastDelivery?.life !== this.#life || this.#ended.has(holder)) return;
    this.#report('delivered twice', `${id} came from ${queue} to ${session} while ${holder} holds it`, id);
  }

  /** Numbers of one producer, queue and priority only grow. */
  #checkOrder({ id, producer, queue, priority, number, lastDelivery }: Known, session: string, again: boolean): void {
    const isExclusive = this.#exclusive.has(queue);
    // What competing consumers lose goes to another, who may be ahead; the mark tells.
    if (isExclusive ? lastDelivery !== null : again) return;
    const line = `${producer}/${queue}/${priority}${isExclusive ? '' : `@${session}`}`;
    const newest = this.#newest.get(line) ?? -1;
    if (number > newest) this.#newest.set(line, number);
    else this.#report('reordered', `${id} came to ${session} for the first time, behind number ${newest}`, id);
  }

  #onCommitting(contents: TransactionContents): void {
    const commit: Commit = { contents, isConfirmed: false, returned: new Set() };
    this.#commits.set(contents.name, commit);
    for (const id of contents.sends) this.#get(id).mayExist = true;
    for (const id of contents.acks) {
      this.#get(id).mayBeDone = true;
      this.#commitOf.set(id, commit);
    }
    for (const id of contents.rejects) {
      this.#reject(id);
      this.#commitOf.set(id, commit);
    }
  }

  #onCommitted(name: string): void {
    const commit = this.#getCommit(name);
    commit.isConfirmed = true;
    for (const id of commit.contents.sends) this.#get(id).isConfirmed = true;
    for (const id of commit.contents.acks) this.#get(id).isDone = true;
    for (const id of commit.contents.rejects) this.#get(id).isRejected = true;
  }

  /** As if it had never been written. */
  #onCommitDenied(name: string): void {
    const { sends, acks } = this.#getCommit(name).contents;
    this.#commits.delete(name);
    for (const id of sends) this.#get(id).mayExist = false;
    for (const id of acks) this.#get(id).mayBeDone = false;
  }

  #getCommit(name: string): Commit {
    const commit = this.#commits.get(name);
    if (commit === undefined) throw new Error(`no history: an answer to ${name} without COMMIT`);
    return commit;
  }

  #reject(id: string): void {
    const message = this.#get(id);
    message.mayBeRejected = true;
    message.holder = null;
  }

  /** A COMMIT nobody confirmed: its SENDs have come, and what it settles has not come again; or neither. */
  #checkWhole({ contents, returned }: Commit): void {
    const { name, sends, acks, rejects } = contents;
    const done = [
      ...sends.filter((id) => this.#get(id).lastDelivery !== null),
      ...[...acks, ...rejects].filter((id) => !returned.has(id)),
    ];
    const all = [...sends, ...acks, ...rejects];
    if (done.length === 0 || done.length === all.length) return;
    const rest = all.filter((id) => !done.includes(id));
    const text = `${name} took effect on ${done.join(', ')} and not on ${rest.join(', ')}`;
    this.violations.push({ kind: 'half a transaction', text, ids: all });
  }

  /** What was seen has been stored, or else a crash could take back what somebody has acted upon. */
  #checkPresent({ id, isConfirmed, lastDelivery, mayBeDone }: Known): void {
    if (lastDelivery === null) {
      if (isConfirmed) this.#report('lost', `${id} was confirmed and never came`, id);
    } else if (!mayBeDone) {
      const { session, queue } = lastDelivery;
      this.#report('lost', `${id} came from ${queue} to ${session}, was not acknowledged, and never came again`, id);
    }
  }

  #get(id: string): Known {
    const message = this.#messages.get(id);
    if (message === undefined) throw new Error(`no history: ${id} was never sent`);
    return message;
  }

  #report(kind: Violation['kind'], text: string, id: string): void {
    this.violations.push({ kind, text, ids: [id] });
  }
}
