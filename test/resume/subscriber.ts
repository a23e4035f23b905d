/**
 * One subscriber of the stream: cut when its plan says so, back some messages later, resuming behind the last message it has
 * seen. Checks each message as it comes: the next one it wants, or one behind an honest `recovered:false`.
 */
import { header, type ServerFrame } from '../helpers/server-frames.js';
import type { SeededRandom } from '../helpers/seeded-random.js';
import { openLink, type Link, type LinkKind } from './link.js';
import type { Stream } from './stream.js';

export interface SubscriberPlan {
  readonly name: string;
  readonly kind: LinkKind;
  readonly ack: 'auto' | 'client' | 'client-individual';
  /** It wants the messages whose number is a multiple of this. */
  readonly every: number;
  /** Messages it gets at most before it is cut; 0 is never. */
  readonly mostBetweenCuts: number;
  /** Messages of the stream that it is away for, at most. */
  readonly mostAbsence: number;
  readonly random: SeededRandom;
}

const PREFETCH = 20;

export class Subscriber {
  /** Resolves at the first RECEIPT: from here on it has to get everything. */
  readonly ready: Promise<void>;
  /** Resolves when it has got the last message it wants. */
  readonly done: Promise<void>;
  cuts = 0;
  recovered = 0;
  unrecovered = 0;
  /** Times that it was told later, on a message. */
  gaps = 0;
  received = 0;
  /** The number of the last message that it has seen or that is none of its business. */
  last = 0;
  readonly #stream: Stream;
  readonly #plan: SubscriberPlan;
  #link: Link | null = null;
  #position: { readonly epoch: string; readonly offset: number } | null = null;
  /** What the first message of this connection has to say. */
  #expectsNote: string | undefined;
  #left = Infinity;
  #unacked = 0;
  #isReady: () => void = () => undefined;
  #isDone: () => void = () => undefined;

  constructor(stream: Stream, plan: SubscriberPlan) {
    this.#stream = stream;
    this.#plan = plan;
    this.ready = new Promise((resolve) => (this.#isReady = resolve));
    this.done = new Promise((resolve) => (this.#isDone = resolve));
    void this.#connect();
  }

  get name(): string {
    return this.#plan.name;
  }

  /** What it was doing, for a failure. */
  get state(): string {
    return `${this.name} has ${this.last} of ${this.#stream.messages}, ${this.#link === null ? 'away' : 'connected'}`;
  }

  leave(): void {
    this.#link?.cut();
    this.#link = null;
  }

  async #connect(): Promise<void> {
    const { kind, mostBetweenCuts, random } = this.#plan;
    const ports = await this.#stream.ports;
    this.#expectsNote = undefined;
    this.#unacked = 0;
    // Now and then before anything of this connection has arrived; never the first time, or it has no position.
    const isAtOnce = this.#position !== null && random.chance(0.05);
    this.#left = mostBetweenCuts === 0 ? Infinity : isAtOnce ? 0 : random.between(1, mostBetweenCuts);
    const link = openLink(kind, ports, {
      onFrame: (frame) => {
        this.#onFrame(frame, link);
      },
      // The broker was killed, or has cut a reader that was too slow: nobody stays away on purpose.
      onEnd: () => {
        this.#link = null;
        void this.#connect();
      },
    });
    this.#link = link;
  }

  #onFrame(frame: ServerFrame, link: Link): void {
    if (frame.command === 'CONNECTED') this.#subscribe(link);
    else if (frame.command === 'RECEIPT') this.#onReceipt(frame);
    else if (frame.command === 'MESSAGE') this.#onMessage(frame, link);
    else this.#fault(`${frame.command} ${header(frame, 'message') ?? ''}`);
  }

  #subscribe(link: Link): void {
    const { ack, every } = this.#plan;
    const selector: Record<string, string> = every === 1 ? {} : { selector: `n${every} = 0` };
    const position: Record<string, string> =
      this.#position === null
        ? {}
        : { 'resume-epoch': this.#position.epoch, 'resume-offset': String(this.#position.offset) };
    const own = { id: 's', destination: this.#stream.topic, ack, 'prefetch-count': String(PREFETCH), receipt: 'r' };
    link.send('SUBSCRIBE', { ...own, ...selector, ...position });
    if (this.#left === 0) this.#cut();
  }

  #onReceipt(receipt: ServerFrame): void {
    const [recovered, epoch] = [header(receipt, 'recovered'), header(receipt, 'epoch') ?? ''];
    const end = Number(header(receipt, 'offset'));
    const position = this.#position;
    if (position === null) {
      if (recovered !== undefined) this.#fault(`recovered:${recovered} though nothing was asked`);
      this.#position = { epoch, offset: end };
      this.last = end;
      this.#isReady();
      return;
    }
    const isKept = epoch === position.epoch && position.offset >= end - this.#stream.maxMessages;
    if (recovered !== String(isKept)) {
      this.#fault(`recovered:${recovered ?? 'none'} behind ${position.offset} of ${end}, epoch ${epoch}`);
    }
    this.#expectsNote = recovered;
    if (isKept) {
      this.recovered++;
      return;
    }
    this.unrecovered++;
    this.#position = { epoch, offset: end };
    this.last = end;
    this.#checkEnd();
  }

  #onMessage(message: ServerFrame, link: Link): void {
    const number = Number(message.body.toString());
    this.#check(number, header(message, 'recovered'));
    this.#position = { epoch: header(message, 'epoch') ?? '', offset: Number(header(message, 'offset')) };
    this.last = number;
    this.received++;
    if (this.#plan.ack !== 'auto') this.#acknowledge(header(message, 'ack') ?? '', link);
    if (this.#checkEnd()) return;
    if (--this.#left <= 0) this.#cut();
  }

  #check(number: number, note: string | undefined): void {
    const { every } = this.#plan;
    const wanted = this.last - (this.last % every) + every;
    const expected = this.#expectsNote;
    this.#expectsNote = undefined;
    if (note === expected && number === wanted) return;
    // Gone since, whether it was wanted or not; only where the topic keeps less than there is.
    const mayBeGone = number > this.last + 1 && this.#stream.maxMessages < this.#stream.messages;
    const isWanted = number >= wanted && number % every === 0;
    if (note === 'false' && expected !== 'false' && mayBeGone && isWanted) this.gaps++;
    else if (note !== 'false' || expected !== 'false' || number !== wanted) {
      this.#fault(`got ${number} recovered:${note ?? 'none'}, wanted ${wanted} recovered:${expected ?? 'none'}`);
    }
  }

  #acknowledge(id: string, link: Link): void {
    // In mode client one covers all before it; sooner than the window is full.
    if (this.#plan.ack === 'client' && ++this.#unacked < PREFETCH / 2) return;
    this.#unacked = 0;
    link.send('ACK', { id });
  }

  #checkEnd(): boolean {
    const { messages } = this.#stream;
    if (this.last < messages - (messages % this.#plan.every)) return false;
    this.leave();
    this.#isDone();
    return true;
  }

  #cut(): void {
    this.cuts++;
    this.leave();
    this.#comeBack();
  }

  #comeBack(): void {
    const { random, mostAbsence } = this.#plan;
    const until = this.#stream.published + random.between(0, mostAbsence);
    void this.#stream.reached(until).then(() => this.#connect());
  }

  #fault(text: string): void {
    this.#stream.fault(`${this.name}: ${text}`);
  }
}
