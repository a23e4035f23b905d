/**
 * The books of one round: what was sent, what the server said it has, and what came of it. Each message has a number, which
 * is in its body with the stream it belongs to and its place there: `kind number stream place`.
 */

/**
 * Where a message goes, and so what is promised: `topic` to all who are there, `unit` the same out of a transaction, `work`
 * once to one of all, or as a letter to the dead, `kept` to a history, `lasting` to every durable subscription, `note` to the
 * sessions of a user, `mail` to a user once it is there, `ask` from one session to another.
 */
export type Kind = 'topic' | 'unit' | 'work' | 'kept' | 'lasting' | 'note' | 'mail' | 'ask';

export interface Parsed {
  readonly kind: Kind;
  readonly number: number;
  readonly stream: string;
  readonly place: number;
}

/** All of its messages, or none. */
export interface Unit {
  readonly numbers: number[];
  state: 'open' | 'committing' | 'committed' | 'aborted';
}

class Entry {
  readonly parsed: Parsed;
  readonly unit: Unit | null;
  /** The server said that it has it. */
  isReceipted = false;
  /** It was seen where everything of its kind is seen: the server has it. */
  isSeen = false;
  isRecorded = false;
  /** Deliveries of work and lasting messages, by subscriber: their counts. */
  deliveries: Map<string, Set<number>> | null = null;
  /** By whom an ACK was sent, and by whom one is surely in effect, with the count of that delivery. */
  acked: Set<string> | null = null;
  settled: Map<string, number> | null = null;
  letter: string | null = null;

  constructor(parsed: Parsed, unit: Unit | null) {
    this.parsed = parsed;
    this.unit = unit;
  }
}

export function parseBody(body: string): Parsed | null {
  const [kind, number, stream, place] = body.split(' ', 4);
  if (place === undefined) return null;
  return { kind: kind as Kind, number: Number(number), stream: stream ?? '', place: Number(place) };
}

const MOST_FAULTS = 30;

export class Ledger {
  /** What must not be: each in a line, the first of them. */
  readonly faults: string[] = [];
  faultCount = 0;
  onFault: (text: string) => void = () => undefined;
  /** Messages of all rounds, by kind: sent, and those that the server had. */
  readonly sent: Record<Kind, number> = zeroes();
  readonly arrived: Record<Kind, number> = zeroes();
  /** Deliveries of all rounds to anybody, and those said to be redelivered. */
  delivered = 0;
  redelivered = 0;
  letters = 0;
  acks = 0;
  #entries = new Map<number, Entry>();
  readonly #places = new Map<string, number>();
  readonly #letterIds = new Set<string>();
  #last = 0;

  fault(text: string): void {
    this.faultCount++;
    if (this.faults.length >= MOST_FAULTS) return;
    this.faults.push(text);
    this.onFault(text);
  }

  /** @returns the body of a new message. @param padding octets beside it */
  write(
    kind: Kind,
    stream: string,
    unit: Unit | null = null,
    padding = 0,
  ): { readonly body: string; readonly number: number } {
    const number = ++this.#last;
    const place = (this.#places.get(stream) ?? 0) + 1;
    this.#places.set(stream, place);
    this.sent[kind]++;
    this.#entries.set(number, new Entry({ kind, number, stream, place }, unit));
    unit?.numbers.push(number);
    const body = `${kind} ${number} ${stream} ${place}`;
    return { number, body: padding === 0 ? body : `${body} ${'x'.repeat(padding)}` };
  }

  receipted(number: number): void {
    const entry = this.#entries.get(number);
    if (entry !== undefined) entry.isReceipted = true;
  }

  /** At a place where each message of the kind is seen once. */
  seenOnce(body: string): Parsed | null {
    const entry = this.#find(body);
    if (entry === null) return null;
    const { kind, number } = entry.parsed;
    this.delivered++;
    if (entry.isRecorded) this.fault(`${kind} ${number} was published twice`);
    entry.isRecorded = true;
    this.#see(entry);
    return entry.parsed;
  }

  /** One that was seen there in its turn: `place` is one more than the one before of the stream. */
  checkTurn(who: string, parsed: Parsed, places: Map<string, number>, isFromStart: boolean): void {
    const { stream, place, kind, number } = parsed;
    const last = places.get(stream);
    if (last === undefined ? isFromStart && place !== 1 : place !== last + 1) {
      this.fault(`${who}: ${kind} ${number} is ${place} of stream ${stream} behind ${last ?? 'nothing'}`);
    }
    places.set(stream, place);
  }

  /** A delivery that is to be acknowledged. @param count how often, as the server says */
  deliveredTo(who: string, body: string, count: number): Parsed | null {
    const entry = this.#find(body);
    if (entry === null) return null;
    const { kind, number } = entry.parsed;
    this.delivered++;
    if (count > 1) this.redelivered++;
    this.#see(entry);
    const counts = ((entry.deliveries ??= new Map()).get(who) ?? new Set()) as Set<number>;
    if (counts.has(count)) this.fault(`${kind} ${number} came twice to ${who} as delivery ${count}`);
    entry.deliveries.set(who, counts.add(count));
    const settled = entry.settled?.get(who);
    if (settled !== undefined && count > settled) {
      this.fault(`${kind} ${number} came to ${who} as delivery ${count}, after the RECEIPT of its ACK at ${settled}`);
    }
    return entry.parsed;
  }

  acking(who: string, number: number): void {
    const entry = this.#entries.get(number);
    if (entry === undefined) return;
    this.acks++;
    (entry.acked ??= new Set()).add(who);
  }

  /** Its ACK is in effect. */
  acked(who: string, number: number, count: number): void {
    (this.#entries.get(number)?.settled ?? this.#settledOf(number))?.set(who, count);
  }

  /** It is with the dead. @param id its message-id there @param isAgain the letter itself was delivered before */
  lettered(body: string, id: string): void {
    if (this.#letterIds.has(id)) return;
    this.#letterIds.add(id);
    this.letters++;
    const entry = this.#find(body);
    if (entry === null) return;
    const { kind, number } = entry.parsed;
    this.#see(entry);
    // Of each durable subscription by itself, and the letter does not say of which.
    if (kind === 'lasting') return;
    if (entry.letter !== null) this.fault(`${kind} ${number} is dead twice: ${entry.letter} and ${id}`);
    if (entry.settled !== null) this.fault(`${kind} ${number} was acknowledged, with a RECEIPT, and is dead`);
    entry.letter = id;
  }

  /** Those that the server has, and `who` has not acknowledged. */
  missing(kind: Kind, who: string): number[] {
    const missing: number[] = [];
    for (const [number, { parsed, isSeen, isReceipted, acked, letter, unit }] of this.#entries) {
      const isThere = isSeen || isReceipted || unit?.state === 'committed';
      if (parsed.kind === kind && isThere && letter === null && acked?.has(who) !== true) missing.push(number);
    }
    return missing;
  }

  /** Whether its ACK is in effect. */
  isSettled(who: string, number: number): boolean {
    return this.#entries.get(number)?.settled?.has(who) === true;
  }

  isSeen(number: number): boolean {
    return this.#entries.get(number)?.isSeen === true;
  }

  /** Nothing more can come of what was sent: what was promised has to be kept by now. Begins the next round. */
  close(): void {
    const units = new Set<Unit>();
    for (const { parsed, isReceipted, isSeen, unit } of this.#entries.values()) {
      const { kind, number, stream, place } = parsed;
      if (unit !== null) units.add(unit);
      else if (isReceipted && !isSeen) {
        this.fault(`${kind} ${number} (${place} of ${stream}) had its RECEIPT and was never seen`);
      }
      if (isSeen) this.arrived[kind]++;
    }
    for (const unit of units) this.#closeUnit(unit);
    this.#entries = new Map();
    this.#letterIds.clear();
    this.#places.clear();
  }

  #closeUnit({ numbers, state }: Unit): void {
    const seen = numbers.filter((number) => this.#entries.get(number)?.isSeen === true).length;
    const allowed = state === 'committed' ? [numbers.length] : state === 'committing' ? [0, numbers.length] : [0];
    if (allowed.includes(seen)) return;
    const what = numbers.map((number) => {
      const { kind, stream } = this.#entries.get(number)?.parsed ?? {};
      return `${kind ?? ''} ${number} of ${stream ?? ''}`;
    });
    this.fault(`a transaction is ${state}: ${seen} of its messages were seen: ${what.join(', ')}`);
  }

  #find(body: string): Entry | null {
    const parsed = parseBody(body);
    const entry = parsed === null ? undefined : this.#entries.get(parsed.number);
    if (entry === undefined) this.fault(`nobody sent ${JSON.stringify(body.slice(0, 80))} in this round`);
    return entry ?? null;
  }

  #see(entry: Entry): void {
    entry.isSeen = true;
    const { parsed, unit } = entry;
    if (unit?.state === 'aborted' || unit?.state === 'open') {
      this.fault(`${parsed.kind} ${parsed.number} was seen, and its transaction is ${unit.state}`);
    }
  }

  #settledOf(number: number): Map<string, number> | undefined {
    const entry = this.#entries.get(number);
    return entry === undefined ? undefined : (entry.settled ??= new Map());
  }
}

function zeroes(): Record<Kind, number> {
  return { topic: 0, unit: 0, work: 0, kept: 0, lasting: 0, note: 0, mail: 0, ask: 0 };
}
