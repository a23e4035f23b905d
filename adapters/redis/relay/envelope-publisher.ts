/**
 * What this node publishes: gathered while a turn of the event loop lasts, one envelope for each destination, all of them
 * written to Redis at once. What is on its way is bounded; nothing waits for a connection.
 */
import type { Redis } from 'ioredis';
import { BrokerError } from '../../../broker/errors.js';
import type { ChannelNames } from './channel-names.js';
import { createDeferred, type Deferred, textOf } from '../connection/deferred.js';
import { encodeEnvelope, MAX_DESTINATION_BYTES, MESSAGE_OVERHEAD_BYTES } from './node-envelope.js';

/** Redis copies an envelope for each node that wants it, as one piece. */
const MAX_ENVELOPE_BYTES = 256 * 1024;

export interface EnvelopePublisherParts {
  readonly node: Buffer;
  readonly names: ChannelNames;
  readonly soon: (task: () => void) => void;
  readonly maxPendingBytes: number;
}

interface Envelope {
  readonly destination: string;
  readonly messages: Buffer[];
  bytes: number;
}

/** What leaves in one turn. */
interface Turn {
  readonly envelopes: Envelope[];
  bytes: number;
  messages: number;
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
  #number = 0;
  #client: Redis | null = null;
  /** Since start. */
  published = 0;
  dropped = 0;

  constructor(parts: EnvelopePublisherParts) {
    this.#parts = parts;
  }

  /** Null: the connection is gone. */
  set client(client: Redis | null) {
    this.#client = client;
  }

  get isAccepting(): boolean {
    return this.#client !== null && this.#pendingBytes < this.#parts.maxPendingBytes;
  }

  publish(destination: string, octets: Buffer): void {
    if (!this.isAccepting || Buffer.byteLength(destination) > MAX_DESTINATION_BYTES) {
      this.dropped++;
      this.#wasLastDropped = true;
      return;
    }
    this.#wasLastDropped = false;
    const turn = (this.#turn ??= this.#begin());
    const bytes = octets.length + MESSAGE_OVERHEAD_BYTES;
    let envelope = this.#open.get(destination);
    if (envelope === undefined || envelope.bytes + bytes > MAX_ENVELOPE_BYTES) {
      envelope = { destination, messages: [], bytes: 0 };
      this.#open.set(destination, envelope);
      turn.envelopes.push(envelope);
    }
    envelope.messages.push(octets);
    envelope.bytes += bytes;
    turn.bytes += bytes;
    turn.messages++;
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

  #begin(): Turn {
    const turn = { envelopes: [], bytes: 0, messages: 0, outcome: null };
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
    const sent = this.#send(turn).then((error) => {
      this.#inFlight.delete(sent);
      this.#pendingBytes -= turn.bytes;
      if (error === null) {
        this.published += turn.messages;
        turn.outcome?.resolve();
      } else {
        this.dropped += turn.messages;
        turn.outcome?.reject(lostError(error));
      }
    });
    this.#inFlight.add(sent);
  }

  /** @returns null, or why it is not sure that Redis has all of it */
  async #send({ envelopes }: Turn): Promise<string | null> {
    if (this.#client === null) return 'the connection is gone';
    const { node, names } = this.#parts;
    try {
      const pipeline = this.#client.pipeline();
      for (const { destination, messages } of envelopes) {
        this.#number = (this.#number + 1) >>> 0;
        const octets = encodeEnvelope({ node, number: this.#number, destination, messages });
        pipeline.publish(names.channelOf(destination), octets);
      }
      for (const [error] of (await pipeline.exec()) ?? []) if (error !== null) return error.message;
      return null;
    } catch (error) {
      return textOf(error);
    }
  }
}

function lostError(why: string): BrokerError {
  return new BrokerError('relay-lost', `Subscribers of this node have it, other nodes perhaps not: ${why}`);
}
