/** A run: rounds of mixed traffic with faults, each followed by a calm in which everything has to add up. */
import { performance } from 'node:perf_hooks';
import { setTimeout as wait } from 'node:timers/promises';
import { SeededRandom } from '../helpers/seeded-random.js';
import { actor } from './actors.js';
import { type CalmParts, fetchAll, untilAlone } from './calm.js';
import { DurableReader } from './durable-reader.js';
import { FaultyProxy } from './faulty-proxy.js';
import { Historian } from './historian.js';
import { holds, identitiesOf, type Identity, rightOf } from './identities.js';
import { Ledger } from './ledger.js';
import { flood, knock, Operator } from './operator.js';
import type { Look, Memory } from './server-look.js';
import { SoakedProcess } from './soaked-process.js';
import type { Counts } from './soaked-server.js';
import { DURABLE_USERS } from './soaked-options.js';
import { Witnesses } from './witnesses.js';
import type { World } from './world.js';

export interface SoakSpec {
  readonly seed: string;
  readonly totalMs: number;
  /** Of traffic in one round; the calm behind it takes what it takes. */
  readonly busyMs: number;
  readonly actors: number;
  /** Gone after the run. */
  readonly directory: string;
  /** Told of each round. */
  readonly onRound: (text: string) => void;
}

export interface Sample extends Memory {
  readonly round: number;
  /** Since start. */
  readonly atMs: number;
}

export interface SoakReport {
  readonly seed: string;
  readonly tookMs: number;
  readonly rounds: number;
  /** At each calm. */
  readonly samples: readonly Sample[];
  /** Before the first client came, at the first calm, at the last, and when even the witnesses had left. */
  readonly looks: Readonly<Record<'empty' | 'first' | 'last' | 'end', Look>>;
  readonly counts: Counts;
  readonly ledger: Ledger;
  readonly identities: readonly Identity[];
  readonly world: World;
  readonly faults: Readonly<Record<string, number>>;
  readonly historians: readonly Historian[];
  readonly operator: Operator;
  /** User and system of each process, as a part of one processor. */
  readonly serverCpu: number;
  readonly clientsCpu: number;
  readonly log: string;
}

const BULK_EVERY_MS = 4_000;
/** More than so many, and one knows that something is wrong. */
const MOST_FAULTS = 200;
/** How often the end is looked at, and how long between. */
const END_LOOKS = 40;
const END_PAUSE_MS = 500;
/** How long clients that are gone have been silent before the way to the server is cut too. */
const HALF_OPEN_MS = 200;

export async function runSoak(spec: SoakSpec): Promise<SoakReport> {
  const soaked = await SoakedProcess.start(spec.directory);
  try {
    return await runRounds(spec, soaked);
  } finally {
    soaked.kill();
    await soaked.ended;
  }
}

async function runRounds(spec: SoakSpec, soaked: SoakedProcess): Promise<SoakReport> {
  const startMs = performance.now();
  const ports = await soaked.ask('ports');
  const proxyFor = (name: 'tcp' | 'http'): Promise<FaultyProxy> =>
    FaultyProxy.start(ports[name], new SeededRandom(`${spec.seed} ${name}`));
  const proxies = [await proxyFor('tcp'), await proxyFor('http')] as const;
  try {
    const direct = { tcpPort: ports.tcp, httpPort: ports.http };
    const ledger = new Ledger();
    ledger.onFault = (text) => {
      spec.onRound(`FAULT: ${text}`);
    };
    const empty = await soaked.ask('lookBefore');
    const witnesses = await Witnesses.start(ledger, direct);
    const { subscriptions } = await soaked.ask('counts');
    const [tcp, http] = proxies;
    const rounds = new Rounds(spec, {
      soaked,
      witnesses,
      direct,
      proxies,
      operator: new Operator(ports.admin),
      ledger,
      throughProxies: { tcpPort: tcp.port, httpPort: http.port },
      witnessSubscriptions: subscriptions,
    });
    return await rounds.run(empty, startMs);
  } finally {
    for (const proxy of proxies) proxy.close();
  }
}

interface RoundsParts {
  readonly soaked: SoakedProcess;
  readonly witnesses: Witnesses;
  readonly direct: World['ports'];
  readonly proxies: readonly FaultyProxy[];
  readonly operator: Operator;
  readonly ledger: Ledger;
  readonly throughProxies: World['ports'];
  readonly witnessSubscriptions: number;
}

class Rounds {
  readonly #spec: SoakSpec;
  readonly #parts: RoundsParts;
  readonly #world: World;
  readonly #historians = [new Historian(0), new Historian(1), new Historian(2)];
  readonly #durables = DURABLE_USERS.map((_, k) => new DurableReader(k));
  readonly #samples: Sample[] = [];
  #isBusy = false;
  #identities: readonly Identity[] = [];
  #nowhere = 0;
  #flooded = 0;
  #round = 0;
  /** Of this round: how long the last connections, and the calm, took. */
  #endingMs = 0;
  #calmMs: readonly number[] = [];

  constructor(spec: SoakSpec, parts: RoundsParts) {
    this.#spec = spec;
    this.#parts = parts;
    this.#world = {
      ledger: parts.ledger,
      random: new SeededRandom(spec.seed),
      ports: parts.throughProxies,
      isBusy: () => this.#isBusy,
      opened: {},
      totals: { connected: 0, written: 0, confirmed: 0, received: 0, errors: {} },
    };
  }

  async run(empty: Look, startMs: number): Promise<SoakReport> {
    const { soaked, witnesses, ledger, operator } = this.#parts;
    const before = await soaked.ask('counts');
    const clientsBefore = process.cpuUsage();
    const beforeMs = performance.now();
    let first: Look | null = null;
    let counts = before;
    while (first === null || (performance.now() - startMs < this.#spec.totalMs && ledger.faultCount < MOST_FAULTS)) {
      counts = await this.#playRound(startMs);
      first ??= await soaked.ask('look');
    }
    const last = await soaked.ask('look');
    const tookMs = performance.now() - beforeMs;
    const { user, system } = process.cpuUsage(clientsBefore);
    await witnesses.leave();
    await this.#untilNobody();
    return {
      seed: this.#spec.seed,
      tookMs,
      rounds: this.#round,
      samples: this.#samples,
      looks: { empty, first, last, end: await this.#lookAtEnd(empty) },
      counts,
      ledger,
      identities: this.#identities,
      world: this.#world,
      faults: this.#faults(),
      historians: this.#historians,
      operator,
      serverCpu: (counts.cpuMs - before.cpuMs) / tookMs,
      clientsCpu: (user + system) / 1e3 / tookMs,
      log: soaked.log,
    };
  }

  async #playRound(startMs: number): Promise<Counts> {
    const { soaked, ledger, witnesses, witnessSubscriptions } = this.#parts;
    this.#round++;
    await this.#busy();
    await this.#calm();
    const counts = await soaked.ask('counts');
    ledger.close();
    const [world, nowhere, flooded] = [this.#world, this.#nowhere, this.#flooded];
    this.#identities = identitiesOf(counts, { world, witnesses, nowhere, flooded, witnessSubscriptions });
    for (const identity of this.#identities.filter((each) => !holds(each))) {
      ledger.fault(`round ${this.#round}: ${identity.name}: ${identity.left}, wants ${rightOf(identity)}`);
    }
    const memory = await soaked.ask('collect');
    const atMs = Math.round(performance.now() - startMs);
    this.#samples.push({ round: this.#round, atMs, ...memory });
    this.#spec.onRound(this.#told(memory, atMs));
    return counts;
  }

  async #busy(): Promise<void> {
    const { actors, busyMs } = this.#spec;
    const { witnesses, direct, operator, ledger } = this.#parts;
    const world = this.#world;
    this.#isBusy = true;
    const lives = [
      ...Array.from({ length: actors }, () => actor(world)),
      ...this.#historians.map((historian) => historian.act(world)),
      ...this.#durables.map((durable) => durable.act(world)),
      operator.act(world),
    ];
    const endMs = performance.now() + busyMs;
    const bulk = setInterval(() => {
      witnesses.sendBulk();
    }, BULK_EVERY_MS);
    if (await flood(world, direct)) this.#flooded++;
    if (!(await knock(world, direct))) ledger.fault('a wrong passcode was not refused');
    this.#nowhere++;
    witnesses.sendNowhere();
    await wait(Math.max(0, endMs - performance.now()));
    clearInterval(bulk);
    this.#isBusy = false;
    await Promise.all(lives);
    this.#endingMs = Math.round(performance.now() - endMs);
  }

  async #calm(): Promise<void> {
    const { soaked, witnesses, direct, proxies } = this.#parts;
    const parts: CalmParts = { world: this.#world, soaked, witnesses, durables: this.#durables, direct };
    const beganMs = performance.now();
    // Half-open connections are found by heart-beats; those that have none, by this.
    await wait(HALF_OPEN_MS);
    for (const proxy of proxies) proxy.cut();
    await untilAlone(parts);
    const aloneMs = performance.now();
    await fetchAll(parts);
    await witnesses.fence();
    await untilAlone(parts);
    witnesses.check();
    witnesses.beginRound();
    this.#calmMs = [aloneMs - beganMs, performance.now() - aloneMs].map(Math.round);
  }

  async #untilNobody(): Promise<void> {
    const { soaked, ledger } = this.#parts;
    for (let left = END_LOOKS; left > 0; left--) {
      if ((await soaked.ask('counts')).sessions === 0) return;
      await wait(END_PAUSE_MS);
    }
    ledger.fault('sessions are there though everybody has left');
  }

  /** What ends by itself a moment later, such as a timer of a connection that has gone, is waited for. */
  async #lookAtEnd(empty: Look): Promise<Look> {
    const { soaked } = this.#parts;
    const wanted = JSON.stringify(empty.resources);
    for (let left = END_LOOKS; left > 0; left--) {
      if (JSON.stringify((await soaked.ask('counts')).resources) === wanted) break;
      await wait(END_PAUSE_MS);
    }
    const look = await soaked.ask('lookAfter');
    if ((look.objects['Socket'] ?? 0) <= (empty.objects['Socket'] ?? 0)) return look;
    await wait(10 * END_PAUSE_MS);
    return soaked.ask('lookAfter');
  }

  #faults(): Record<string, number> {
    const faults: Record<string, number> = {};
    for (const { counts } of this.#parts.proxies) {
      for (const [name, count] of Object.entries(counts)) faults[name] = (faults[name] ?? 0) + count;
    }
    return faults;
  }

  #told({ heapBytes, rssBytes }: Memory, atMs: number): string {
    const { sent, delivered, faultCount } = this.#parts.ledger;
    const all = Object.values(sent).reduce((total, count) => total + count, 0);
    const [heap, rss] = [heapBytes, rssBytes].map((bytes) => (bytes / 2 ** 20).toFixed(2));
    const times = `ending ${this.#endingMs} ms, calm ${this.#calmMs.join(' + ')} ms`;
    return `${Math.round(atMs / 1e3)} s, round ${this.#round}: ${all} sent, ${delivered} delivered, heap ${heap} MiB, resident ${rss} MiB, ${faultCount} faults; ${times}`;
  }
}
