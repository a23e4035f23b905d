/**
 * A topic of all nodes that keeps a history. Its messages get their places where all nodes meet; subscribers here and
 * elsewhere get them in that order. A class of its own, so that the topics of a single node pay nothing.
 */
import { BrokerError } from '../errors.js';
import type { HistoryLog } from '../history/history-log.js';
import type { FilledHistoryRule } from '../history/history-options.js';
import { HistoryRoute, type HistoryRouteParts, type KeptMessages } from '../history/history-route.js';
import type { ReplayPlan } from '../history/replay-plan.js';
import type { ResumeRequest } from '../history/replay.js';
import type { Message } from '../message.js';
import type { HistoryPlace } from '../ports.js';
import type { BrokerStats } from '../stats.js';
import { encodeMessage } from '../storage/message-codec.js';
import type { WriteUnit } from '../storage/write-unit.js';
import type { SharedHistories } from './shared-histories.js';
import type { HistoryAudience } from './shared-history.js';

export interface SharedHistoryTopicParts extends HistoryRouteParts {
  readonly shared: SharedHistories;
  readonly rule: FilledHistoryRule;
  readonly stats: BrokerStats;
}

export class SharedHistoryTopic extends HistoryRoute implements HistoryAudience {
  readonly isDirect = false;
  readonly #parts: SharedHistoryTopicParts;

  constructor(destination: string, parts: SharedHistoryTopicParts) {
    super(destination, parts);
    this.#parts = parts;
  }

  /** Nobody sees it before it has its place. */
  publish(message: Message, unit: WriteUnit | null): void {
    if (unit === null) throw new BrokerError('internal', `${this.destination}: a message without a unit`);
    this.publishDurably(message, unit);
    message.own();
    this.arriving++;
    const { rule, shared } = this.#parts;
    unit.ask(
      {
        kind: 'history-append',
        destination: this.destination,
        group: rule.pattern,
        message: { octets: encodeMessage(message), weightBytes: message.weightBytes },
        bounds: rule,
        maxAllBytes: shared.maxBytes,
      },
      (result) => {
        this.arriving--;
        const place = result as HistoryPlace;
        shared.receive(this.destination, { place, messages: [{ number: place.number, octets: message }] });
      },
      () => {
        this.arriving--;
      },
    );
  }

  get kept(): KeptMessages {
    return this.#parts.shared.kept(this.destination);
  }

  /** Null: it is not known where the history is, as nobody could be asked. */
  plan(request: ResumeRequest | null): ReplayPlan | null {
    return this.#parts.shared.plan(this.destination, request);
  }

  override show(stamped: Message, log: HistoryLog): void {
    super.show(stamped, log);
  }

  /** Who still reads the log finds it by itself. */
  tellLoss(): void {
    for (const subscription of this.liveSubscriptions()) {
      this.#parts.stats.historyGaps++;
      subscription.outbox.noteNext(subscription, false);
    }
  }
}
