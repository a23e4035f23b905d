/**
 * A TCP proxy whose connections have bad luck: reset, cut in the middle of a frame, silent without an end (half-open),
 * late, or read too slowly. What befalls a connection is drawn by a seed when it is accepted.
 */
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { SeededRandom } from '../helpers/seeded-random.js';

export const FAULTS = ['none', 'reset', 'mid-frame', 'half-open', 'delayed', 'slow-reader'] as const;
export type Fault = (typeof FAULTS)[number];

/** Longest time from the beginning of a connection to its fault. */
const MOST_BEFORE_MS = 6_000;
const MOST_DELAY_MS = 250;
/** How long a slow reader reads nothing at a time. */
const SLOW_PAUSE_MS = 1_500;

export class FaultyProxy {
  /** Connections that met each fault, since start. */
  readonly counts: Record<Fault, number> = {
    none: 0,
    reset: 0,
    'mid-frame': 0,
    'half-open': 0,
    delayed: 0,
    'slow-reader': 0,
  };
  readonly #target: number;
  readonly #random: SeededRandom;
  readonly #server: Server;
  readonly #links = new Set<Link>();

  private constructor(target: number, random: SeededRandom) {
    this.#target = target;
    this.#random = random;
    this.#server = createServer({ allowHalfOpen: false }, (socket) => {
      this.#accept(socket);
    });
  }

  /** @param target a loopback port */
  static async start(target: number, random: SeededRandom): Promise<FaultyProxy> {
    const proxy = new FaultyProxy(target, random);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Ends what is open, half-open connections too. */
  cut(): void {
    for (const link of this.#links) link.reset();
  }

  close(): void {
    this.cut();
    this.#server.close();
  }

  #draw(): Fault {
    const drawn = this.#random.next();
    if (drawn < 0.5) return 'none';
    if (drawn < 0.62) return 'reset';
    if (drawn < 0.72) return 'mid-frame';
    if (drawn < 0.8) return 'half-open';
    return drawn < 0.92 ? 'delayed' : 'slow-reader';
  }

  #accept(near: Socket): void {
    const fault = this.#draw();
    const afterMs = this.#random.between(20, MOST_BEFORE_MS);
    const far = connect(this.#target, '127.0.0.1');
    const link: Link = new Link(near, far, { fault, afterMs, delayMs: this.#random.between(1, MOST_DELAY_MS) }, () => {
      this.counts[fault]++;
    });
    this.#links.add(link);
    link.onEnd = () => this.#links.delete(link);
  }
}

interface Fate {
  readonly fault: Fault;
  readonly afterMs: number;
  readonly delayMs: number;
}

class Link {
  onEnd: () => void = () => undefined;
  readonly #near: Socket;
  readonly #far: Socket;
  readonly #fate: Fate;
  readonly #onFault: () => void;
  readonly #timers = new Set<NodeJS.Timeout>();
  #isMet = false;
  #open = 2;

  constructor(near: Socket, far: Socket, fate: Fate, onFault: () => void) {
    this.#near = near;
    this.#far = far;
    this.#fate = fate;
    this.#onFault = onFault;
    this.#join(near, far);
    this.#join(far, near);
    if (fate.fault === 'none' || fate.fault === 'delayed') onFault();
    else {
      this.#later(fate.afterMs, () => {
        this.#meet();
      });
    }
  }

  reset(): void {
    for (const socket of [this.#near, this.#far]) {
      if (socket.connecting) socket.destroy();
      else socket.resetAndDestroy();
    }
  }

  #meet(): void {
    if (this.#open < 2) return;
    this.#isMet = true;
    this.#onFault();
    if (this.#fate.fault === 'reset') this.reset();
    if (this.#fate.fault === 'slow-reader') this.#readSlowly();
  }

  #readSlowly(): void {
    this.#far.pause();
    this.#later(SLOW_PAUSE_MS, () => {
      this.#far.resume();
      this.#later(SLOW_PAUSE_MS / 10, () => {
        this.#readSlowly();
      });
    });
  }

  #join(from: Socket, to: Socket): void {
    from.on('error', () => undefined);
    from.on('data', (octets) => {
      this.#pass(octets, to);
    });
    from.on('close', () => {
      this.#open--;
      if (this.#open === 0) this.#end();
      // Nobody is told of the end of half a connection: the other side has to find out.
      if (this.#isMet && this.#fate.fault === 'half-open') return;
      if (this.#fate.fault !== 'delayed') to.destroySoon();
      else {
        this.#later(this.#fate.delayMs, () => {
          to.destroySoon();
        });
      }
    });
  }

  #pass(octets: Buffer, to: Socket): void {
    const { fault, delayMs } = this.#fate;
    if (fault === 'delayed') {
      this.#later(delayMs, () => {
        if (to.writable) to.write(octets);
      });
      return;
    }
    if (this.#isMet && fault === 'half-open') return;
    if (this.#isMet && fault === 'mid-frame') {
      to.write(octets.subarray(0, Math.ceil(octets.length / 2)), () => {
        this.reset();
      });
      return;
    }
    if (to.writable) to.write(octets);
  }

  #later(ms: number, act: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      act();
    }, ms);
    this.#timers.add(timer);
  }

  #end(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.onEnd();
  }
}
