/**
 * What one node wants to know of the others, and tells them: who is subscribed to a topic, what happens to a broker. Whoever
 * watches says so to all; they answer with all they have and tell what changes, for as long as they are watched. What
 * nobody watches costs nothing. Goes over the relay between nodes; what is lost on the way is noticed by number and asked
 * for again.
 */
import { withDeadline } from '../deadline.js';
import type { ReservedTopics } from '../destinations/reserved-topics.js';
import type { ClusterMembers, Clock, Logger, NodeRelay } from '../ports.js';
import { decodeTalk, encodeTalk, type NodeTold, type WatchTalk } from './watch-talk.js';

/** What is watched under a topic: presence, or the feed. */
export interface NodeWatchHandler {
  /** Another node watches. @returns all that is to be told of it at once; null: nothing */
  watchedElsewhere(topic: string, node: string): object | null;
  unwatchedElsewhere(topic: string, node: string): void;
  /** All that another node has to say takes the place of what it said before. */
  onWhole(topic: string, node: string, whole: object): void;
  onChanges(topic: string, node: string, changes: readonly object[]): void;
  /** It is gone: it watches nothing, and whatever it told is over. */
  dropNode(node: string): void;
}

export interface NodeWatchesParts {
  readonly relay: NodeRelay;
  /** Null: which nodes there are is known by what they tell. */
  readonly members: ClusterMembers | null;
  /** What this node is called where there are no members. */
  readonly name: string;
  readonly reserved: ReservedTopics;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly handlerOf: (topic: string) => NodeWatchHandler;
  readonly handlers: readonly NodeWatchHandler[];
}

/** How long who watches waits for the others to tell: a node that answers later is told of as it answers. */
const GATHER_MS = 1_000;
/** Topics named in one message. */
const LOT = 500;
/** Names of nodes that are gone: what of theirs arrives late means nothing. */
const MAX_GONE = 1_000;

interface Watch {
  /** Nodes that have told all of it, and the number of what they told last. */
  readonly told: Map<string, number>;
  /** Until all have told. */
  gathering: Promise<void> | undefined;
  onTold: () => void;
}

export class NodeWatches {
  readonly #parts: NodeWatchesParts;
  readonly #control: string;
  readonly #watches = new Map<string, Watch>();
  /** Topics that others watch: who does, and the number of what was told last. */
  readonly #elsewhere = new Map<string, { readonly nodes: Set<string>; number: number }>();
  /** Changes of this turn. */
  readonly #changes = new Map<string, object[]>();
  readonly #gone = new Set<string>();
  /** Of topics that are nobody else's. */
  readonly #served = new Map<string, NodeWatchHandler>();
  #stopListening: (() => void) | null = null;
  #isListening = false;

  constructor(parts: NodeWatchesParts) {
    this.#parts = parts;
    this.#control = parts.reserved.nodeTalk;
  }

  /** A topic of its own; before anything is watched. */
  serve(topic: string, handler: NodeWatchHandler): void {
    this.#served.set(topic, handler);
  }

  #handlerOf(topic: string): NodeWatchHandler {
    return this.#served.get(topic) ?? this.#parts.handlerOf(topic);
  }

  /** Once the relay has started: hears the others, and asks what they watch. */
  start(): void {
    const { relay, members } = this.#parts;
    this.#stopListening =
      members?.listen({
        onJoined: () => {
          this.met();
        },
        onNodeGone: (node) => {
          this.#drop(node);
        },
      }) ?? null;
    const begin = (): void => {
      this.#isListening = true;
      this.met();
    };
    const joined = relay.join(this.#control);
    if (joined === undefined) begin();
    else joined.then(begin, begin);
  }

  stop(): void {
    this.#stopListening?.();
    this.#say({ kind: 'bye', from: this.#self });
  }

  /** The others can be reached, perhaps after a while in which they could not: both sides say everything again. */
  met(): void {
    if (!this.#isListening || !this.#parts.relay.isAccepting) return;
    this.#say({ kind: 'hello', from: this.#self });
    this.#sayTopics('watch', [...this.#watches.keys()]);
    for (const topic of this.#elsewhere.keys()) this.#tellWhole(topic);
  }

  /** Has the others tell. @returns what to wait for until all have; undefined: they have, or cannot be asked */
  watch(topic: string): Promise<void> | undefined {
    const known = this.#watches.get(topic);
    if (known !== undefined) return known.gathering;
    const watch: Watch = { told: new Map(), gathering: undefined, onTold: () => undefined };
    this.#watches.set(topic, watch);
    watch.gathering = this.#gather(topic, watch)?.finally(() => {
      watch.gathering = undefined;
    });
    return watch.gathering;
  }

  unwatch(topic: string): void {
    if (!this.#watches.delete(topic)) return;
    this.#parts.relay.leave(this.#parts.reserved.told(topic));
    this.#sayTopics('unwatch', [topic]);
  }

  /** Whether all nodes that are there have told all of a topic. */
  isComplete(topic: string): boolean {
    const { relay, members } = this.#parts;
    const told = this.#watches.get(topic)?.told;
    if (relay.problem !== null || told === undefined) return false;
    return members?.members.every((node) => node === this.#self || told.has(node)) ?? true;
  }

  /** Something has changed of a topic that others watch. Changes of a turn leave together. */
  tell(topic: string, change: object): void {
    if (!this.#elsewhere.has(topic)) return;
    if (this.#changes.size === 0) {
      this.#parts.clock.soon(() => {
        this.#flush();
      });
    }
    const changes = this.#changes.get(topic);
    if (changes === undefined) this.#changes.set(topic, [change]);
    else changes.push(change);
  }

  /** What another node says on a destination of this talk. */
  receive(destination: string, octets: Buffer): void {
    try {
      if (destination === this.#control) this.#onTalk(decodeTalk(octets) as WatchTalk);
      else this.#onTold(decodeTalk(octets) as NodeTold);
    } catch (error) {
      this.#parts.logger.debug({ err: error, destination }, 'what another node tells cannot be read');
    }
  }

  get #self(): string {
    return this.#parts.members?.incarnation ?? this.#parts.name;
  }

  #gather(topic: string, watch: Watch): Promise<void> | undefined {
    const { relay, reserved, clock } = this.#parts;
    const joined = relay.join(reserved.told(topic));
    if (!relay.isAccepting) return undefined;
    const ask = (): void => {
      this.#sayTopics('watch', [topic]);
    };
    if (joined === undefined) {
      ask();
      if (this.isComplete(topic)) return undefined;
    }
    const all = new Promise<void>((resolve) => {
      watch.onTold = (): void => {
        if (this.isComplete(topic)) resolve();
      };
    });
    // Refused, it is this node's part alone.
    const asked = joined?.then(ask, () => undefined) ?? Promise.resolve();
    const late = new Error('not all nodes have told');
    return withDeadline(
      asked.then(() => (this.isComplete(topic) ? undefined : all)),
      clock,
      GATHER_MS,
      () => late,
    ).catch(() => undefined);
  }

  // ——— What others say ———

  #onTalk(talk: WatchTalk): void {
    const { from } = talk;
    if (from === this.#self || this.#gone.has(from)) return;
    this.#meet(from);
    if (talk.kind === 'bye') this.#drop(from);
    else if (talk.kind === 'hello') this.#sayTopics('watch', [...this.#watches.keys()], from);
    else if (talk.kind === 'unwatch') for (const topic of talk.topics) this.#unwatched(topic, from);
    else if (talk.to === undefined || talk.to === this.#self)
      for (const topic of talk.topics) this.#watched(topic, from);
  }

  #watched(topic: string, node: string): void {
    const elsewhere = this.#elsewhere.get(topic) ?? { nodes: new Set(), number: 0 };
    this.#elsewhere.set(topic, elsewhere);
    elsewhere.nodes.add(node);
    this.#tellWhole(topic, node);
  }

  #unwatched(topic: string, node: string): void {
    const elsewhere = this.#elsewhere.get(topic);
    if (elsewhere?.nodes.delete(node) !== true) return;
    this.#handlerOf(topic).unwatchedElsewhere(topic, node);
    if (elsewhere.nodes.size === 0) this.#elsewhere.delete(topic);
  }

  #onTold({ from, topic, number, whole, changes = [] }: NodeTold): void {
    const watch = this.#watches.get(topic);
    if (watch === undefined || from === this.#self || this.#gone.has(from)) return;
    this.#meet(from);
    const handler = this.#handlerOf(topic);
    if (whole !== undefined) {
      watch.told.set(from, number);
      handler.onWhole(topic, from, whole);
      watch.onTold();
      return;
    }
    const last = watch.told.get(from);
    if (last === undefined) return;
    if (number !== last + 1) {
      watch.told.delete(from);
      this.#sayTopics('watch', [topic], from);
      return;
    }
    watch.told.set(from, number);
    handler.onChanges(topic, from, changes);
  }

  /** A node that is not known as a member yet must become one, or nobody would hear of its end. */
  #meet(node: string): void {
    const { members } = this.#parts;
    if (members?.members.includes(node) === false) void members.refresh();
  }

  #drop(node: string): void {
    this.#gone.add(node);
    for (const oldest of this.#gone) {
      if (this.#gone.size <= MAX_GONE) break;
      this.#gone.delete(oldest);
    }
    for (const [topic] of [...this.#elsewhere]) this.#unwatched(topic, node);
    for (const handler of [...this.#parts.handlers, ...this.#served.values()]) handler.dropNode(node);
    for (const watch of this.#watches.values()) {
      watch.told.delete(node);
      watch.onTold();
    }
  }

  // ——— What this node says ———

  #tellWhole(topic: string, node?: string): void {
    const elsewhere = this.#elsewhere.get(topic);
    if (elsewhere === undefined) return;
    // What has changed is in it.
    this.#changes.delete(topic);
    const handler = this.#handlerOf(topic);
    let whole: object | null = null;
    for (const each of node === undefined ? elsewhere.nodes : [node]) whole = handler.watchedElsewhere(topic, each);
    this.#publish(topic, { from: this.#self, topic, number: ++elsewhere.number, whole: whole ?? {} });
  }

  #flush(): void {
    for (const [topic, changes] of this.#changes) {
      const elsewhere = this.#elsewhere.get(topic);
      if (elsewhere !== undefined)
        this.#publish(topic, { from: this.#self, topic, number: ++elsewhere.number, changes });
    }
    this.#changes.clear();
  }

  #publish(topic: string, told: NodeTold): void {
    this.#parts.relay.publish(this.#parts.reserved.told(topic), encodeTalk(told));
  }

  #sayTopics(kind: 'watch' | 'unwatch', topics: readonly string[], to?: string): void {
    for (let start = 0; start < topics.length; start += LOT) {
      this.#say({ kind, from: this.#self, topics: topics.slice(start, start + LOT), to });
    }
  }

  #say(talk: WatchTalk): void {
    this.#parts.relay.publish(this.#control, encodeTalk(talk));
  }
}
