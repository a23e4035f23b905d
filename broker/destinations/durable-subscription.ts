/**
 * A subscription to a topic, exact or by pattern, that lives on while its client is away: a queue of its own, bound to the
 * topic (conformance ). Messages that ask to be stored are; others wait in memory.
 */
import type { Headers } from '../../protocol/index.js';
import type { Message } from '../message.js';
import type { Selector } from '../selector/selector.js';
import type { WriteUnit } from '../storage/write-unit.js';
import { DEFAULT_TERMS, readTerms, type MessageTerms } from './message-terms.js';
import type { KeptQueue } from './kept-queue.js';

/** What a client asks for at SUBSCRIBE. */
export interface DurableSpec {
  /** Who it belongs to and what it is called: unique on the node. */
  readonly key: string;
  /** Whether several subscriptions may be active at a time; they compete for its messages. */
  readonly isShared: boolean;
  readonly destination: string;
  readonly selector: Selector | null;
  /** How long it may be without an active subscription before it is deleted, in ms. */
  readonly expireAfterMs: number;
}

/** What a node has to know to publish to a durable subscription. */
export interface DurableBinding {
  readonly key: string;
  readonly destination: string;
  /** Null: every message. */
  readonly selector: string | null;
}

export class DurableSubscription {
  readonly spec: DurableSpec;
  readonly queue: KeptQueue;
  /** Time of day since which nobody is there, in ms since the epoch; 0 while somebody is. */
  idleSinceEpochMs: number;
  /** In a cluster: its time is over, unless another node has seen its client since. */
  isDoomed = false;
  /** In a cluster: every other node has said that it knows of it. */
  isConfirmed = false;

  constructor(spec: DurableSpec, queue: KeptQueue, idleSinceEpochMs: number) {
    this.spec = spec;
    this.queue = queue;
    this.idleSinceEpochMs = idleSinceEpochMs;
  }

  publish(message: Message, unit: WriteUnit | null, epochMs: number): void {
    const { selector } = this.spec;
    if (selector !== null && !selector.matches(message.headerMap())) return;
    message.terms ??= termsOf(message.decodedHeaders, epochMs);
    this.queue.take(message, unit);
  }
}

/** A topic relays headers of any kind: those that a queue would refuse mean nothing here, and nothing is delayed. */
function termsOf(headers: Headers | null, epochMs: number): MessageTerms {
  if (headers === null) return DEFAULT_TERMS;
  try {
    return { ...readTerms(headers, epochMs), notBeforeEpochMs: 0 };
  } catch {
    return DEFAULT_TERMS;
  }
}
