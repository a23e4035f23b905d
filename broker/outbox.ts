/**
 * What one session has still to send: references to messages, no octets yet (DESIGN P2, D8). Bounded: a client that
 * does not read fills it and is judged a slow consumer, by bytes at once or by bytes over time.
 */
import { ReplaceableEntries } from './replaceable-entries.js';
import type { Connection, Framing } from './ports.js';
import type { GivingWay } from './overflow-policy.js';
import type { OutboxOptions } from './options.js';
import type { Message } from './message.js';
import type { SharedBatch } from './shared-batch.js';
import type { MessageSink, Subscription } from './subscription.js';
import {
  Delivery,
  NotedDelivery,
  Redelivery,
  recoveryLine,
  type DeliveryHead,
  type DeliveryOwner,
  type ReturnedMessage,
} from './delivery.js';
import type { StompVersion } from '../protocol/index.js';

/** What an outbox asks of its session. */
export interface OutboxOwner {
  /** The limit was passed: the session is to be ended, though not within this call. */
  onSlowConsumer(queuedBytes: number): void;
  /**
   * Whoever looks at MESSAGEs on their way out says what is written: the message as it is, octets of a frame of its own, or
   * nothing (null).
   */
  interceptMessage(head: DeliveryHead, message: Message): Message | Buffer | null;
  /** Somebody looks: a control frame, or a heart-beat, is being written. */
  onControlWritten(octets: Buffer): void;
  /** A message gave way to a newer one. */
  onGivenWay(policy: GivingWay['policy']): void;
  /** More than the soft limit is waiting, or no longer. */
  onSoftLimit(isOver: boolean): void;
}

/** Gathers outboxes that have something to send and flushes them all once per turn. */
export interface FlushScheduler {
  markDirty(outbox: Outbox): void;
  /** At once: the outbox has gathered more than is worth waiting for. */
  flushNow(outbox: Outbox): void;
}

/** Past this the turn's end is not waited for: the octets are as many as one write takes well. */
const FLUSH_EARLY_BYTES = 64 * 1024;
/** Spent entries are dropped from the front of the list in steps of this many. */
const COMPACT_AT = 1024;
/** A list that grew beyond this is not used again: bursts are rare, and memory is for those that come often. */
const KEPT_ENTRIES = 64;
/**
 * A list that is longer goes on in pieces of this many. By itself it would grow by a half: the lists of a thousand who do not
 * read are of one length, so all of them would within one message, and memory would end before anybody could do anything
 * about it (DESIGN 38).
 */
const CHUNK_SLOTS = 4_096;
/** Lists that nobody uses now; more than this many outboxes rarely have something in one turn. */
const MAX_SPARE_LISTS = 1024;

type Payload = Message | Buffer;
/** Head and payload in turns; the head of a control frame is null. */
type EntryList = (DeliveryHead | Payload | null)[];
/** In the place of an entry that gave way; not written. */
const NOTHING = Buffer.alloc(0);
/**
 * Of outboxes that have become empty, for those that get their first entry: shortening a list and growing it again costs
 * more than its entries do, and keeping one would cost each idle connection hundreds of octets.
 */
const spareLists: EntryList[] = [];

function weigh(head: DeliveryHead | null, payload: Payload): number {
  return head === null ? (payload as Buffer).length : head.head.length + (payload as Message).weightBytes;
}

export class Outbox implements MessageSink {
  readonly connection: Connection;
  readonly framing: Framing;
  /** Set once negotiated. */
  version: StompVersion = '1.2';
  /** Octets waiting here, by weight. */
  queuedBytes = 0;
  /** By the coarse clock: when octets last left. Heart-beats are due after it. */
  lastWriteMs = 0;
  isDirty = false;
  readonly #limits: OutboxOptions;
  readonly #owner: OutboxOwner;
  readonly #scheduler: FlushScheduler;
  /** Null while there are none. */
  #entries: EntryList | null = null;
  #first = 0;
  /** Behind the newest entry. The list itself is longer where entries stood that have left. */
  #end = 0;
  /** What stands behind the list, in full pieces but for the last; null while there is nothing. */
  #more: EntryList[] | null = null;
  /** Entries in it, head and payload counted each. */
  #moreEnd = 0;
  /** Entries, head and payload counted each, that were moved out of the list since it began. */
  #shifted = 0;
  /** Null until the first message that may give way meets a transport that is backed up. */
  #replaceable: ReplaceableEntries | null = null;
  /** Entries before this one own their octets. */
  #ownedTo = 0;
  #deliveries = 0;
  #isClosed = false;
  #isRetired = false;
  /** Of a closed outbox, where what waits stands, by whom it is for; null until it is asked. */
  #placesByOwner: Map<DeliveryOwner, number[]> | null = null;
  #isOverSoft = false;
  /** Subscriptions whose source holds messages back because of this outbox. */
  #held: Set<Subscription> | null = null;
  /** Subscriptions whose next message tells whether they have everything up to it. */
  #notes: Map<DeliveryOwner, boolean> | null = null;

  constructor(connection: Connection, limits: OutboxOptions, owner: OutboxOwner, scheduler: FlushScheduler) {
    this.connection = connection;
    this.framing = connection.framing;
    this.#limits = limits;
    this.#owner = owner;
    this.#scheduler = scheduler;
  }

  get isEmpty(): boolean {
    return this.#first === this.#end;
  }

  /** Below the mark to which sources that can wait (queues, ack windows) fill it. */
  get hasRoom(): boolean {
    return !this.#isClosed && !this.#isRetired && this.queuedBytes < this.#limits.highWaterBytes;
  }

  /** Whether the transport may be given more: above the mark messages wait here, where they can be counted. */
  get canWrite(): boolean {
    return this.connection.bufferedBytes < this.#limits.highWaterBytes;
  }

  /** Behind the newest entry: what `hasSent` asks about. */
  get place(): number {
    return this.#shifted + this.#end + this.#moreEnd;
  }

  /** Whether everything that was enqueued before `place` was read is with the transport; never too early. */
  hasSent(place: number): boolean {
    return this.isEmpty || this.#shifted + this.#first >= place;
  }

  /** Numbers the deliveries that wait for an ACK. */
  nextDelivery(): number {
    return ++this.#deliveries;
  }

  /** ASCII text as octets for this connection. */
  encode(text: string): Buffer {
    const octets = Buffer.from(text, 'latin1');
    return this.framing.encode === null ? octets : this.framing.encode(octets);
  }

  /** One MESSAGE: two pushes and two compares. */
  enqueue(head: DeliveryHead, message: Message): void {
    if (this.#isClosed) return;
    const noted = this.#notes === null ? head : this.#takeNote(head);
    this.#push(noted, message, head.head.length + message.weightBytes);
  }

  /** The subscription's next message will say whether it has everything up to it. */
  noteNext(subscription: Subscription, isRecovered: boolean): void {
    (this.#notes ??= new Map()).set(subscription, isRecovered);
  }

  #takeNote(head: DeliveryHead): DeliveryHead {
    const notes = this.#notes as Map<DeliveryOwner, boolean>;
    const isRecovered = notes.get(head.owner);
    if (isRecovered === undefined) return head;
    notes.delete(head.owner);
    if (notes.size === 0) this.#notes = null;
    const line = this.encode(recoveryLine(isRecovered));
    const extra = head.extra === null ? line : Buffer.concat([head.extra, line]);
    return new NotedDelivery(head, isRecovered, extra);
  }

  /**
   * One MESSAGE that may give way while the transport is backed up: under `latest-per-key` it takes the place of the waiting
   * one with its key, under `drop-oldest` the oldest of its kind go once more than the soft limit waits.
   */
  enqueueReplaceable(head: DeliveryHead, message: Message, way: GivingWay, destination: string): void {
    // What carries a note stays: a message in its place would not carry it.
    if (this.canWrite || this.#isClosed || this.#notes?.has(head.owner) === true) {
      this.enqueue(head, message);
      return;
    }
    const entries = (this.#replaceable ??= new ReplaceableEntries());
    const from = this.#shifted + this.#first;
    const { place } = this;
    const key = way.keyOf(message, destination);
    const taken = key === null ? undefined : entries.placeOf(`${head.owner.number}\n${key}`, from, place);
    if (taken !== undefined) {
      this.#replace(taken, head, message.own());
      this.#owner.onGivenWay(way.policy);
      return;
    }
    if (key === null) entries.add(place);
    this.enqueue(head, message);
    while (key === null && this.queuedBytes > this.#limits.softLimitBytes) {
      const oldest = entries.takeOldest(this.#shifted + this.#first);
      if (oldest === undefined) break;
      this.#replace(oldest, null, NOTHING);
      this.#owner.onGivenWay(way.policy);
    }
  }

  /** All that wait and may give way under `drop-oldest` do so. */
  giveWay(): void {
    if (this.#replaceable === null || this.isEmpty) return;
    const from = this.#shifted + this.#first;
    for (let place = this.#replaceable.takeOldest(from); place !== undefined;) {
      this.#replace(place, null, NOTHING);
      this.#owner.onGivenWay('drop-oldest');
      place = this.#replaceable.takeOldest(from);
    }
    this.#noteSoftLimit();
  }

  #replace(place: number, head: DeliveryHead | null, payload: Payload): void {
    const at = place - this.#shifted;
    const entries = this.#listOf(at);
    const slot = this.#slotOf(at);
    const [before, replaced] = [entries[slot] as DeliveryHead | null, entries[slot + 1] as Payload];
    this.queuedBytes += weigh(head, payload) - weigh(before, replaced);
    entries[slot] = head;
    entries[slot + 1] = payload;
  }

  /** Where the entry stands that is `at` from the front of the list, pieces behind it included. */
  #listOf(at: number): EntryList {
    if (at < this.#end) return this.#entries as EntryList;
    return (this.#more as EntryList[])[Math.floor((at - this.#end) / CHUNK_SLOTS)] as EntryList;
  }

  #slotOf(at: number): number {
    return at < this.#end ? at : (at - this.#end) % CHUNK_SLOTS;
  }

  /** One MESSAGE as those let it pass who look: as it is, or a frame of its own; null when they drop it. */
  intercept(head: DeliveryHead, message: Message): Message | Buffer | null {
    return this.#owner.interceptMessage(head, message);
  }

  /** A control frame is being written, and somebody looks. */
  watchControl(octets: Buffer): void {
    this.#owner.onControlWritten(octets);
  }

  /** One whole frame of the server's own, or a heart-beat. */
  enqueueControl(octets: Buffer): void {
    if (this.#isClosed) return;
    this.#push(null, octets, octets.length);
  }

  #push(head: DeliveryHead | null, payload: Payload, weight: number): void {
    if (this.#more === null) {
      const entries = (this.#entries ??= spareLists.pop() ?? []);
      entries[this.#end] = head;
      entries[this.#end + 1] = payload;
      this.#end += 2;
    } else this.#pushMore(this.#more, head, payload);
    this.queuedBytes += weight;
    if (!this.isDirty) {
      this.isDirty = true;
      this.#scheduler.markDirty(this);
    }
    if (this.queuedBytes < FLUSH_EARLY_BYTES) return;
    if (this.#end >= CHUNK_SLOTS) this.#more ??= [];
    if (this.canWrite) this.#scheduler.flushNow(this);
    if (this.queuedBytes > this.#limits.hardLimitBytes) this.#owner.onSlowConsumer(this.queuedBytes);
  }

  #pushMore(more: EntryList[], head: DeliveryHead | null, payload: Payload): void {
    const slot = this.#moreEnd % CHUNK_SLOTS;
    if (slot === 0) more.push([]);
    const last = more.at(-1) as EntryList;
    last[slot] = head;
    last[slot + 1] = payload;
    this.#moreEnd += 2;
  }

  /** The list is at its end: the next piece takes its place. */
  #promote(more: EntryList[]): void {
    this.#shifted += this.#end;
    this.#ownedTo = Math.max(0, this.#ownedTo - this.#end);
    this.#entries = more.shift() as EntryList;
    this.#first = 0;
    this.#end = Math.min(CHUNK_SLOTS, this.#moreEnd);
    this.#moreEnd -= this.#end;
    if (more.length === 0) this.#more = null;
  }

  /** The next entry's head and payload stay until `shift`; both undefined when there is none. */
  peekHead(): DeliveryHead | null | undefined {
    return this.isEmpty ? undefined : (this.#entries as (DeliveryHead | null)[])[this.#first];
  }

  peekPayload(): Payload {
    return (this.#entries as Payload[])[this.#first + 1] as Payload;
  }

  /** Drops the next entry: its octets are with the transport. */
  shift(): void {
    const entries = this.#entries as EntryList;
    const head = entries[this.#first] as DeliveryHead | null;
    const payload = entries[this.#first + 1] as Payload;
    this.queuedBytes -= weigh(head, payload);
    entries[this.#first] = null;
    entries[this.#first + 1] = NOTHING;
    this.#first += 2;
    if (this.#first === this.#end) {
      if (this.#moreEnd > 0) this.#promote(this.#more as EntryList[]);
      else this.#empty(entries);
    } else if (this.#first >= COMPACT_AT && this.#first * 2 > this.#end) {
      entries.splice(0, this.#first);
      this.#shifted += this.#first;
      this.#ownedTo = Math.max(0, this.#ownedTo - this.#first);
      this.#end -= this.#first;
      this.#first = 0;
    }
  }

  /** Whether all that waits here is what the batch holds, entry for entry: its octets are then right for this one too. */
  isAlike(batch: SharedBatch): boolean {
    const entries = this.#entries as EntryList;
    const end = this.#end;
    if (this.#more !== null || end - this.#first !== batch.size * 2 || !batch.fits(this.framing, this.version))
      return false;
    const { heads, payloads } = batch;
    for (let k = 0, at = this.#first; at < end; k++, at += 2) {
      if (entries[at + 1] !== payloads[k]) return false;
      const head = entries[at] as DeliveryHead | null;
      if (head === null ? heads[k] !== null : head.head !== heads[k] || head.extra !== null) return false;
    }
    return true;
  }

  /** Drops every entry: their octets are with the transport. */
  shiftAll(): void {
    const entries = this.#entries as EntryList;
    for (let at = this.#first; at < this.#end; at += 2) {
      entries[at] = null;
      entries[at + 1] = NOTHING;
    }
    this.queuedBytes = 0;
    this.#empty(entries);
  }

  #empty(entries: EntryList): void {
    this.#shifted += this.#end;
    this.#first = this.#end = this.#ownedTo = 0;
    this.#entries = this.#more = null;
    if (entries.length <= KEPT_ENTRIES && spareLists.length < MAX_SPARE_LISTS) spareLists.push(entries);
  }

  /** After a flush: whatever stays outlives the turn. */
  settleAfterFlush(): void {
    if (!this.isEmpty) this.#ownWaiting();
    // Here for limits below what is flushed early: within the turn nothing could have left yet.
    if (this.queuedBytes > this.#limits.hardLimitBytes) this.#owner.onSlowConsumer(this.queuedBytes);
    this.#noteSoftLimit();
    if (this.#held !== null && this.hasRoom) this.#release();
  }

  #noteSoftLimit(): void {
    const isOverSoft = this.queuedBytes > this.#limits.softLimitBytes;
    if (isOverSoft === this.#isOverSoft) return;
    this.#isOverSoft = isOverSoft;
    this.#owner.onSoftLimit(isOverSoft);
  }

  /** Asks to be told, through its source, when there is room again. */
  hold(subscription: Subscription): void {
    (this.#held ??= new Set()).add(subscription);
  }

  forget(subscription: Subscription): void {
    this.#held?.delete(subscription);
    this.#notes?.delete(subscription);
  }

  /** Sources that can wait give it nothing more; topics go on. */
  retire(): void {
    this.#isRetired = true;
  }

  /** Takes nothing more. What is queued is still flushed, unless `dropQueued`. */
  close(dropQueued: boolean): void {
    this.#isClosed = true;
    this.#held = null;
    if (dropQueued) this.#drop();
  }

  /**
   * Takes out everything queued for a subscription that ends: after the RECEIPT of UNSUBSCRIBE nothing of it is written
   * (S-10). Returns the messages of auto mode, oldest first, for they were not consumed; others are pending elsewhere.
   * @param only these messages; null: all
   */
  takeUnsent(subscription: Subscription, only: ReadonlySet<Message> | null = null): ReturnedMessage[] {
    const entries = this.#entries;
    if (entries === null || this.isEmpty) return [];
    if (this.#isClosed) return this.#takeOfClosed(subscription, only);
    const taken: ReturnedMessage[] = [];
    const kept: EntryList = [];
    const end = this.#end + this.#moreEnd;
    for (let k = this.#first; k < end; k += 2) {
      const [list, slot] = [this.#listOf(k), this.#slotOf(k)];
      const head = list[slot] as DeliveryHead | null;
      const payload = list[slot + 1] as Payload;
      if (head?.owner !== subscription || only?.has(payload as Message) === false) kept.push(head, payload);
      else this.#take(head, payload as Message, taken);
    }
    this.#entries = kept;
    this.#more = null;
    this.#moreEnd = 0;
    // Places have changed in a way that one number cannot tell: what waits now will not give way any more.
    this.#replaceable?.clear();
    this.#shifted += this.#first;
    this.#first = this.#ownedTo = 0;
    this.#end = kept.length;
    return taken;
  }

  /** All subscriptions of the session end, one after the other: each looks at its own entries alone. */
  #takeOfClosed(subscription: Subscription, only: ReadonlySet<Message> | null): ReturnedMessage[] {
    const taken: ReturnedMessage[] = [];
    this.#placesByOwner ??= this.#findPlaces();
    for (const place of this.#placesByOwner.get(subscription) ?? []) {
      const k = place - this.#shifted;
      if (k < this.#first) continue;
      const [entries, slot] = [this.#listOf(k), this.#slotOf(k)];
      const payload = entries[slot + 1] as Payload;
      if (entries[slot] === null || only?.has(payload as Message) === false) continue;
      this.#take(entries[slot] as DeliveryHead, payload as Message, taken);
      entries[slot] = null;
      entries[slot + 1] = NOTHING;
    }
    return taken;
  }

  #findPlaces(): Map<DeliveryOwner, number[]> {
    const places = new Map<DeliveryOwner, number[]>();
    const end = this.#end + this.#moreEnd;
    for (let k = this.#first; k < end; k += 2) {
      const head = this.#listOf(k)[this.#slotOf(k)] as DeliveryHead | null;
      if (head === null) continue;
      const own = places.get(head.owner);
      if (own === undefined) places.set(head.owner, [this.#shifted + k]);
      else own.push(this.#shifted + k);
    }
    return places;
  }

  #take(head: DeliveryHead, message: Message, taken: ReturnedMessage[]): void {
    this.queuedBytes -= head.head.length + message.weightBytes;
    if (head instanceof Delivery) {
      head.wasSent = false;
      return;
    }
    taken.push({ message, deliveryCount: head instanceof Redelivery ? head.deliveryCount - 1 : 0 });
  }

  #drop(): void {
    this.#entries = this.#more = this.#placesByOwner = null;
    this.#replaceable = null;
    this.#first = this.#end = this.#moreEnd = this.#ownedTo = this.#shifted = 0;
    this.queuedBytes = 0;
  }

  #ownWaiting(): void {
    const end = this.#end + this.#moreEnd;
    // What waited in an earlier turn stands in front and was seen then.
    for (let k = Math.max(this.#first, this.#ownedTo) + 1; k < end; k += 2) {
      const payload = this.#listOf(k)[this.#slotOf(k)] as Payload;
      if (!Buffer.isBuffer(payload)) payload.own();
    }
    this.#ownedTo = end;
  }

  #release(): void {
    const held = this.#held as Set<Subscription>;
    this.#held = null;
    for (const subscription of held) subscription.source?.ready(subscription);
  }
}
