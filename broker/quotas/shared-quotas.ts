/**
 * What nodes tell each other of quotas, now and then: how often who is connected, and how much of a rate is wanted where,
 * so that each node gives out its share of it. Between two tellings a node knows what was: quotas over nodes are near
 * enough, and nobody waits for them.
 */
import type { NodeWatches, NodeWatchHandler } from '../cluster/node-watches.js';
import { WheelTimer } from '../wheel-timer.js';
import type { Clock } from '../ports.js';
import type { TimerWheel } from '../timer-wheel.js';
import type { QuotaKind, QuotaNodes, Quotas } from './quotas.js';

export interface SharedQuotasParts {
  readonly quotas: Quotas;
  readonly nodes: NodeWatches;
  /** Where it is told. */
  readonly topic: string;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
}

/** As nodes tell it. */
interface Usage {
  readonly kind: QuotaKind;
  readonly name: string;
  readonly connections: number;
  /** Frames wanted since the last time. */
  readonly wanted: number;
}

const KINDS = ['user', 'address', 'destination'] as const;
const TELL_EVERY_MS = 1_000;
/** Below this part of a rate others need not know of it. */
const TELL_ABOVE = 0.1;
/** What a node keeps for itself where others want all of it. */
const LEAST_SHARE = 0.05;

export class SharedQuotas implements NodeWatchHandler, QuotaNodes {
  readonly #parts: SharedQuotasParts;
  /** By kind and name, then by node. */
  readonly #elsewhere = new Map<string, Map<string, Usage>>();
  /** Whose connections have changed since the last time. */
  readonly #changed = new Map<string, readonly [QuotaKind, string]>();
  /** Whose demand was told the last time. */
  #told = new Set<string>();
  readonly #timer: WheelTimer = new WheelTimer(() => {
    this.#tell();
    this.#schedule();
  });

  constructor(parts: SharedQuotasParts) {
    this.#parts = parts;
    parts.quotas.share(this);
    parts.nodes.serve(parts.topic, this);
  }

  start(): void {
    void this.#parts.nodes.watch(this.#parts.topic);
    this.#schedule();
  }

  stop(): void {
    this.#parts.wheel.cancel(this.#timer);
  }

  /** On other nodes. */
  connections(kind: QuotaKind, name: string): number {
    let sum = 0;
    for (const { connections } of this.#elsewhere.get(keyOf(kind, name))?.values() ?? []) sum += connections;
    return sum;
  }

  changed(kind: QuotaKind, name: string): void {
    this.#changed.set(keyOf(kind, name), [kind, name]);
  }

  watchedElsewhere(): object {
    const all: Usage[] = [];
    for (const kind of KINDS) {
      for (const [name, { connections }] of this.#parts.quotas.metersOf(kind).entries()) {
        all.push({ kind, name, connections, wanted: 0 });
      }
    }
    return { all };
  }

  unwatchedElsewhere(): void {
    // The others are told as long as they are there.
  }

  onWhole(_topic: string, node: string, whole: object): void {
    this.dropNode(node);
    this.onChanges(_topic, node, (whole as { readonly all?: readonly Usage[] }).all ?? []);
  }

  onChanges(_topic: string, node: string, changes: readonly object[]): void {
    for (const usage of changes as readonly Usage[]) {
      const key = keyOf(usage.kind, usage.name);
      let nodes = this.#elsewhere.get(key);
      if (nodes === undefined) this.#elsewhere.set(key, (nodes = new Map<string, Usage>()));
      if (usage.connections > 0 || usage.wanted > 0) nodes.set(node, usage);
      else nodes.delete(node);
      if (nodes.size === 0) this.#elsewhere.delete(key);
    }
  }

  dropNode(node: string): void {
    for (const [key, nodes] of this.#elsewhere) if (nodes.delete(node) && nodes.size === 0) this.#elsewhere.delete(key);
  }

  #schedule(): void {
    this.#parts.wheel.schedule(this.#timer, this.#parts.clock.nowMs() + TELL_EVERY_MS);
  }

  /** Divides the rates by what was wanted where, and tells what was wanted here. */
  #tell(): void {
    const { quotas } = this.#parts;
    const told = new Set<string>();
    for (const kind of KINDS) {
      for (const [name, meter] of quotas.metersOf(kind).entries()) {
        if (!meter.hasRate) continue;
        const enough = Math.max(1, meter.messagesPerSecond * TELL_ABOVE);
        const key = keyOf(kind, name);
        const wanted = meter.wanted;
        meter.wanted = 0;
        let others = 0;
        for (const usage of this.#elsewhere.get(key)?.values() ?? []) others += usage.wanted;
        const own = Math.max(1, wanted);
        meter.share = others === 0 ? 1 : Math.max(LEAST_SHARE, own / (own + others));
        if (wanted >= enough) {
          told.add(key);
          this.#say({ kind, name, connections: meter.connections, wanted });
        } else if (this.#told.has(key)) this.changed(kind, name);
      }
    }
    for (const [key, [kind, name]] of this.#changed) {
      const connections = quotas.metersOf(kind).get(name)?.connections ?? 0;
      if (!told.has(key)) this.#say({ kind, name, connections, wanted: 0 });
    }
    this.#changed.clear();
    this.#told = told;
  }

  #say(usage: Usage): void {
    this.#parts.nodes.tell(this.#parts.topic, usage);
  }
}

function keyOf(kind: QuotaKind, name: string): string {
  return `${kind} ${name}`;
}
