/**
 * What this node publishes: gathered while a turn of the event loop lasts, one envelope for each destination, all of them
 * written to Redis at once. What is on its way is bounded; nothing waits for a connection.
 */
import { BrokerError } from '../../../broker/errors.js';
import { createDeferred, type Deferred } from '../connection/deferred.js';
import { encodeEnvelope, MAX_DESTINATION_BYTES, MESSAGE_OVERHEAD_BYTES } from './node-envelope.js';
import type { OutgoingEnvelope, RedisLane } from './redis-lane.js';

/** Redis copies an envelope for each node that wants it, as one piece. */
const MAX_ENVELOPE_BYTES = 256 * 1024;

/** Of the bound: from there on publishers wait, so that what they have sent already finds room. */
const BEHIND_PART = 1 / 2;

export interface EnvelopePublisherParts {
  readonly node: Buffer;
  /** Where envelopes of a destination go out; null: there is no way now. */
  readonly laneOf: (destination: string) => RedisLane | null;
  readonly soon: (task: () => void) => void;
  readonly maxPendingBytes: number;
  /** Redis has refused something, its connection being well (one line), or taken something (null). */
  readonly onAnswered: (why: string | null) => void;
}

interface Envelope {
  readonly destination: string;
  readonly lane: RedisLane;
  readonly messages: Buffer[];
  bytes: number;
}

/** What leaves in one turn. */
interface Turn {
  readonly envelopes: Envelope[];
  /** Null: nobody waits. */
  outcome: Deferred | null;
}

export class EnvelopePublisher {
  readonly #parts: EnvelopePublisherParts;
  /** Envelopes of this turn that have room. */
  readonly #open = new Map<string, Envelope>();
  #turn: Turn | null = null;
  readonly #inFlight = new Set<Promise<void>>();
  #wasLastDropped = false;
  #pendingBytes = 0;
  #relief: Deferred | null = null;
  #number = 0;
  /** Since start. */
  published = 0;
  dropped = 0;

  constructor(parts: EnvelopePublisherParts) {
    this.#parts = parts;
  }

  /** Whether there is room. */
  get isAccepting(): boolean {
    return this.#pendingBytes < this.#parts.maxPendingBytes;
  }

  get isBehind(): boolean {
    return this.#pendingBytes >= this.#parts.maxPendingBytes * BEHIND_PART;
  }

  /** Resolves once it is not behind. */
  caughtUp(): Promise<void> {
    return this.isBehind ? (this.#relief ??= createDeferred()).promise : Promise.resolve();
  }

  publish(destination: string, octets: Buffer): void {
    const bytes = octets.length + MESSAGE_OVERHEAD_BYTES;
    const envelope = this.isAccepting ? this.#envelopeFor(destination, bytes) : null;
    this.#wasLastDropped = envelope === null;
    if (envelope === null) {
      this.dropped++;
      return;
    }
    envelope.messages.push(octets);
    envelope.bytes += bytes;
    this.#pendingBytes += bytes;
  }

  /** Of what was published last: resolves when Redis has taken it. */
  accepted(): Promise<void> {
    if (this.#wasLastDropped) return Promise.reject(lostError('it was not handed over'));
    return this.#turn === null ? Promise.resolve() : (this.#turn.outcome ??= createDeferred()).promise;
  }

  /** Resolves when nothing is on its way. */
  async settled(): Promise<void> {
    while (this.#inFlight.size > 0 || this.#turn !== null) {
      if (this.#turn !== null) this.#leave();
      await Promise.all(this.#inFlight);
    }
  }

  /** Null: there is no way to send it. */
  #envelopeFor(destination: string, bytes: number): Envelope | null {
    const open = this.#open.get(destination);
    if (open !== undefined && open.bytes + bytes <= MAX_ENVELOPE_BYTES) return open;
    const lane = this.#parts.laneOf(destination);
    if (lane === null || Buffer.byteLength(destination) > MAX_DESTINATION_BYTES) return null;
    const envelope = { destination, lane, messages: [], bytes: 0 };
    this.#open.set(destination, envelope);
    (this.#turn ??= this.#begin()).envelopes.push(envelope);
    return envelope;
  }

  #begin(): Turn {
    const turn = { envelopes: [], outcome: null };
    this.#parts.soon(() => {
      if (this.#turn === turn) this.#leave();
    });
    return turn;
  }

  #leave(): void {
    const turn = this.#turn;
    if (turn === null) return;
    this.#turn = null;
    this.#open.clear();
    const byLane = new Map<RedisLane, Envelope[]>();
    for (const envelope of turn.envelopes) {
      const others = byLane.get(envelope.lane);
      if (others === undefined) byLane.set(envelope.lane, [envelope]);
      else others.push(envelope);
    }
    const all = [...byLane].map(([lane, envelopes]) => this.#send(lane, envelopes));
    const sent = Promise.all(all).then((errors) => {
      this.#inFlight.delete(sent);
      const error = errors.find((one) => one !== null) ?? null;
      if (error === null) turn.outcome?.resolve();
      else turn.outcome?.reject(lostError(error));
    });
    this.#inFlight.add(sent);
  }

  /** @returns null, or why it is not sure that Redis has all of it */
  async #send(lane: RedisLane, envelopes: readonly Envelope[]): Promise<string | null> {
    const outgoing: OutgoingEnvelope[] = [];
    let [bytes, count] = [0, 0];
    for (const { destination, messages, bytes: own } of envelopes) {
      this.#number = (this.#number + 1) >>> 0;
      const octets = encodeEnvelope({ node: this.#parts.node, number: this.#number, destination, messages });
      outgoing.push({ destination, octets });
      bytes += own;
      count += messages.length;
    }
    const error = await lane.send(outgoing);
    this.#pendingBytes -= bytes;
    if (!this.isBehind) {
      this.#relief?.resolve();
      this.#relief = null;
    }
    if (error === null) this.published += count;
    else this.dropped += count;
    // A connection that is gone tells of itself.
    if (error === null || lane.canSend) this.#parts.onAnswered(error);
    return error;
  }
}

function lostError(why: string): BrokerError {
  return new BrokerError('relay-lost', `Subscribers of this node have it, other nodes perhaps not: ${why}`);
}
