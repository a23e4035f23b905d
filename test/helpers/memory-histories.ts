/**
 * Histories that nodes of one process share: what the port promises, with every telling in the test's hands. It may be late,
 * come out of turn, twice or not at all; the end may be lost, and nobody may be reachable.
 */
import { BrokerError } from '../../broker/errors.js';
import type {
  HistoriesMark,
  HistoryAppend,
  HistoryChanges,
  HistoryInterest,
  HistoryPage,
  HistoryPageRequest,
  HistoryPlace,
  NodeHistories,
  NodeHistoriesEvents,
  RecordedMessages,
  SharedOperation,
  SharedStore,
  StoreContents,
  StoredMessage,
  StoredRecord,
  UnitOutcome,
} from '../../broker/ports.js';

interface Kept {
  readonly offset: number;
  readonly number: number;
  readonly octets: Buffer;
}

interface History {
  epoch: string;
  generation: number;
  former: { epoch: string; end: number }[];
  end: number;
  number: number;
  trimmedTo: number;
  kept: Kept[];
}

/** What all nodes share. */
export class MemoryHistories {
  readonly nodes: MemoryNode[] = [];
  readonly histories = new Map<string, History>();
  /** Messages of one page, to make many of few. */
  pageMessages = 3;
  #number = 0;
  #generation = 1;

  createNode(): MemoryNode {
    const node = new MemoryNode(this);
    this.nodes.push(node);
    return node;
  }

  get mark(): HistoriesMark {
    return { generation: String(this.#generation), number: this.#number };
  }

  /** As if what keeps them was started again, and had forgotten the newest of each. */
  restart(lost: number): void {
    this.#generation++;
    for (const history of this.histories.values()) {
      history.end = Math.max(0, history.end - lost);
      history.kept = history.kept.filter(({ offset }) => offset <= history.end);
      history.trimmedTo = Math.min(history.trimmedTo, history.end);
      history.number = history.kept.at(-1)?.number ?? 0;
    }
  }

  history(destination: string): History {
    let history = this.histories.get(destination);
    const { generation } = this.mark;
    if (history === undefined) {
      history = { epoch: `e${generation}`, generation: 0, former: [], end: 0, number: 0, trimmedTo: 0, kept: [] };
      history.generation = this.#generation;
      this.histories.set(destination, history);
    }
    if (history.generation !== this.#generation) {
      history.former = [{ epoch: history.epoch, end: history.end }, ...history.former];
      history.epoch = `e${generation}`;
      history.generation = this.#generation;
    }
    return history;
  }

  record(sender: MemoryNode, { destination, group, message, bounds }: HistoryAppend): HistoryPlace {
    const history = this.history(destination);
    const previous = history.number;
    history.number = ++this.#number;
    const octets = Buffer.from(message.octets);
    history.kept.push({ offset: ++history.end, number: this.#number, octets });
    while (history.kept.length > bounds.maxMessages) history.trimmedTo = history.kept.shift()?.offset ?? 0;
    const place = { epoch: history.epoch, offset: history.end, number: this.#number, previous };
    for (const node of this.nodes) {
      const isOwn = node === sender;
      node.hear([`history ${destination}`, `group ${group}`], {
        destination,
        isOwn,
        place,
        messages: [{ number: place.number, octets }],
      });
    }
    return place;
  }
}

export class MemoryNode implements NodeHistories {
  readonly store: SharedStore;
  /** What it was told and has not heard yet. */
  readonly told: RecordedMessages[] = [];
  /** Nothing can be asked, nothing recorded, and nothing is told. */
  isAway = false;
  /** Nothing is told: what is, is lost. */
  isDeaf = false;
  /** Set, answers wait until `answer`. */
  isSlow = false;
  /** Questions asked so far. */
  asked = 0;
  readonly claims = new Map<string, number>();
  readonly #shared: MemoryHistories;
  readonly #unanswered: (() => void)[] = [];
  #events: NodeHistoriesEvents | null = null;

  constructor(shared: MemoryHistories) {
    this.#shared = shared;
    this.store = new RecordingStore(shared, this);
  }

  start(events: NodeHistoriesEvents): Promise<void> {
    this.#events = events;
    return Promise.resolve();
  }

  stop(): Promise<void> {
    this.#events = null;
    return Promise.resolve();
  }

  join({ kind, name }: HistoryInterest): undefined {
    const claim = `${kind} ${name}`;
    this.claims.set(claim, (this.claims.get(claim) ?? 0) + 1);
  }

  leave({ kind, name }: HistoryInterest): void {
    const claim = `${kind} ${name}`;
    const count = (this.claims.get(claim) ?? 0) - 1;
    if (count > 0) this.claims.set(claim, count);
    else this.claims.delete(claim);
  }

  /** Once for each claim, as Redis does. */
  hear(channels: readonly string[], recorded: RecordedMessages): void {
    if (this.isAway || this.isDeaf) return;
    for (const channel of channels) if (this.claims.has(channel)) this.told.push(recorded);
  }

  /** What was told arrives: the one at that place, or all. */
  deliver(at?: number): void {
    const some = at === undefined ? this.told.splice(0) : this.told.splice(at % Math.max(1, this.told.length), 1);
    for (const recorded of some) this.#events?.onRecorded(recorded);
  }

  /** Everything told and not heard is lost. */
  lose(): void {
    this.told.length = 0;
  }

  reach(): void {
    this.isAway = this.isDeaf = false;
    this.#events?.onReachable();
  }

  async read({ destination, after, upTo, maxPageMessages }: HistoryPageRequest): Promise<HistoryPage> {
    this.#check();
    const history = this.#shared.history(destination);
    const from = this.#placeOf(history, after);
    const most = Math.min(maxPageMessages, this.#shared.pageMessages);
    const wanted = history.kept.filter(({ offset }) => offset > from.after && offset <= (upTo ?? Infinity));
    const page: HistoryPage = {
      epoch: history.epoch,
      former: [...history.former],
      end: history.end,
      number: history.number,
      trimmedTo: history.trimmedTo,
      trimmedAgeMs: 0,
      ...from,
      messages: wanted.slice(0, most).map((kept) => ({ ...kept, ageMs: 0 })),
    };
    await this.#wait();
    return page;
  }

  async changes(since: HistoriesMark | null): Promise<HistoryChanges> {
    this.#check();
    const { histories, mark } = this.#shared;
    const changed = [...histories]
      .filter(([, { number }]) => since !== null && number > since.number)
      .map(([destination, { number }]) => ({ destination, number }));
    await this.#wait();
    return { mark, changed };
  }

  #placeOf(
    history: History,
    after: HistoryPageRequest['after'],
  ): { readonly after: number; readonly isContinued: boolean } {
    if (after === 'end') return { after: history.end, isContinued: true };
    if (after === 'start') return { after: 0, isContinued: false };
    const known = [{ epoch: history.epoch, end: history.end }, ...history.former].find(
      ({ epoch }) => epoch === after.epoch,
    );
    const isContinued = known !== undefined && after.offset <= known.end;
    return { after: isContinued ? after.offset : (known?.end ?? 0), isContinued };
  }

  /** The questions asked so far are answered. */
  answer(): void {
    for (const resolve of this.#unanswered.splice(0)) resolve();
  }

  /** What was asked takes a while to come back, and may be lost on its way. */
  async #wait(): Promise<void> {
    if (this.isSlow) await new Promise<void>((resolve) => this.#unanswered.push(resolve));
    else await Promise.resolve();
    if (this.isAway) throw new BrokerError('relay-lost', 'out of reach');
  }

  #check(): void {
    this.asked++;
    if (this.isAway) throw new BrokerError('relay-unavailable', 'out of reach');
  }
}

/** Keeps nothing but histories. */
class RecordingStore implements SharedStore {
  readonly name = 'memory';
  readonly isShared = true;
  readonly #shared: MemoryHistories;
  readonly #node: MemoryNode;

  constructor(shared: MemoryHistories, node: MemoryNode) {
    this.#shared = shared;
    this.#node = node;
  }

  listen(): void {
    // Nothing but histories is shared here.
  }

  open(): Promise<StoreContents> {
    return Promise.resolve({ lanes: [], records: [] });
  }

  commit(): Promise<void> {
    return Promise.resolve();
  }

  async commitUnits(units: readonly (readonly SharedOperation[])[]): Promise<readonly UnitOutcome[]> {
    if (this.#node.isAway) throw new BrokerError('store-failed', 'out of reach');
    const outcomes = units.map((unit): UnitOutcome => {
      return {
        isDone: true,
        results: unit.map((operation) =>
          operation.kind === 'history-append' ? this.#shared.record(this.#node, operation) : [],
        ),
      };
    });
    await Promise.resolve();
    return outcomes;
  }

  read(): Promise<readonly StoredMessage[]> {
    return Promise.resolve([]);
  }

  records(): Promise<readonly StoredRecord[]> {
    return Promise.resolve([]);
  }

  record(): Promise<StoredRecord | null> {
    return Promise.resolve(null);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
