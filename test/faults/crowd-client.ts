/**
 * The program of a crowd: thousands of clients in one process, as browsers behind one NAT. Half of what they do is wait: each
 * is subscribed to a topic, sends a stored message now and then and notes which ones were confirmed. When its connection is
 * lost a client comes back by itself, by the rules of @stomp/stompjs; over WebSocket it is that very client, over TCP, where
 * it has no transport of its own, a light one that keeps the same rules.
 */
import { Client, ReconnectionTimeMode } from '@stomp/stompjs';
import { WebSocket } from 'ws';
import { LoadClient } from '../crash/load-client.js';

export interface CrowdOrder {
  readonly over: 'websocket' | 'tcp';
  readonly count: number;
  /** Of one server, or of several nodes: each client begins with another, and goes on to the next after each connection. */
  readonly ports: readonly number[];
  /** Of message ids. */
  readonly name: string;
  /** stompjs' own default is 5,000, again and again (LINEAR). */
  readonly reconnectDelayMs: number;
  /** Twice as long after each try, up to this; 0: not longer. */
  readonly maxReconnectDelayMs: number;
  /** One message of each client in about this time. */
  readonly sendEveryMs: number;
}

export interface CrowdReport {
  readonly connected: number;
  /** From the loss of a connection to CONNECTED, one for each loss that is over. */
  readonly backMs: readonly number[];
  /** How connections were lost: WebSocket status and reason, or `closed` over TCP; each with how often. */
  readonly losses: Readonly<Record<string, number>>;
  /** Bodies of messages that were confirmed. */
  readonly confirmed: readonly string[];
  readonly sent: number;
  readonly heard: number;
  /** ERROR frames. */
  readonly errors: readonly string[];
}

const QUEUE = '/queue/crowd';
const TOPIC = '/topic/crowd';
/** Connections that are begun with at a time, at first: the crowd did not come all at once. */
const PORTION = 50;

const state = {
  connected: 0,
  backMs: [] as number[],
  losses: {} as Record<string, number>,
  confirmed: [] as string[],
  sent: 0,
  heard: 0,
  errors: [] as string[],
};
let isQuiet = false;

/** What both kinds of client have in common. */
abstract class Member {
  protected readonly order: CrowdOrder;
  protected readonly name: string;
  #lostMs = 0;
  #number = 0;
  #turn: number;
  protected isConnected = false;

  constructor(order: CrowdOrder, index: number) {
    this.order = order;
    this.#turn = index;
    this.name = `${order.name}-${index}`;
    const every = order.sendEveryMs;
    setTimeout(() => setInterval(() => this.#sendOne(), every), (every * index) / order.count);
  }

  abstract connect(): void;
  protected abstract publish(body: string, onReceipt: () => void): void;

  /** Where to connect now. */
  protected nextPort(): number {
    const { ports } = this.order;
    return ports[this.#turn++ % ports.length] ?? 0;
  }

  protected onConnected(): void {
    this.isConnected = true;
    state.connected++;
    if (this.#lostMs > 0) state.backMs.push(performance.now() - this.#lostMs);
    tellIfComplete();
  }

  protected onLost(how: string): void {
    if (!this.isConnected) return;
    this.isConnected = false;
    state.connected--;
    this.#lostMs = performance.now();
    state.losses[how] = (state.losses[how] ?? 0) + 1;
  }

  #sendOne(): void {
    if (!this.isConnected || isQuiet) return;
    const body = `${this.name}/${++this.#number}`;
    state.sent++;
    this.publish(body, () => state.confirmed.push(body));
  }
}

class StompjsMember extends Member {
  readonly #client: Client;

  constructor(order: CrowdOrder, index: number) {
    super(order, index);
    const { reconnectDelayMs, maxReconnectDelayMs } = order;
    this.#client = new Client({
      webSocketFactory: () => new WebSocket(`ws://127.0.0.1:${this.nextPort()}/ws`, ['v12.stomp']) as never,
      reconnectDelay: reconnectDelayMs,
      reconnectTimeMode: maxReconnectDelayMs > 0 ? ReconnectionTimeMode.EXPONENTIAL : ReconnectionTimeMode.LINEAR,
      maxReconnectDelay: maxReconnectDelayMs,
      onConnect: () => {
        this.#client.subscribe(TOPIC, () => state.heard++);
        this.onConnected();
      },
      onWebSocketClose: ({ code, reason }: { code: number; reason: string }) => {
        this.onLost(`${code} ${reason}`);
      },
      onStompError: ({ headers }) => state.errors.push(`${headers['code'] ?? ''}: ${headers['message'] ?? ''}`),
    });
  }

  connect(): void {
    this.#client.activate();
  }

  protected publish(body: string, onReceipt: () => void): void {
    this.#client.watchForReceipt(body, onReceipt);
    this.#client.publish({ destination: QUEUE, body, headers: { persistent: 'true', receipt: body } });
  }
}

class TcpMember extends Member {
  #client: LoadClient | null = null;
  #delayMs = 0;

  connect(): void {
    this.#delayMs = this.order.reconnectDelayMs;
    void this.#open();
  }

  async #open(): Promise<void> {
    const client = await LoadClient.open(this.nextPort(), {
      onMessage: () => state.heard++,
      onFault: (text) => state.errors.push(text),
      onEnd: () => {
        this.onLost('closed');
        this.#comeBack();
      },
    });
    if (client.hasEnded) return;
    this.#client = client;
    this.#delayMs = this.order.reconnectDelayMs;
    client.send('SUBSCRIBE', { id: '0', destination: TOPIC });
    this.onConnected();
  }

  /** As stompjs' scheduleReconnect. */
  #comeBack(): void {
    setTimeout(() => {
      const { maxReconnectDelayMs } = this.order;
      if (maxReconnectDelayMs > 0) this.#delayMs = Math.min(this.#delayMs * 2, maxReconnectDelayMs);
      void this.#open();
    }, this.#delayMs);
  }

  protected publish(body: string, onReceipt: () => void): void {
    const headers = { destination: QUEUE, persistent: 'true' };
    this.#client?.request('SEND', headers, onReceipt, { body: Buffer.from(body) });
  }
}

let wanted = 0;
let isAwaited = false;

function tellIfComplete(): void {
  if (!isAwaited || state.connected < wanted) return;
  isAwaited = false;
  process.send?.('complete');
}

async function gather(order: CrowdOrder): Promise<void> {
  wanted = order.count;
  isAwaited = true;
  const members = Array.from({ length: order.count }, (_, index) =>
    order.over === 'websocket' ? new StompjsMember(order, index) : new TcpMember(order, index),
  );
  for (let k = 0; k < members.length; k += PORTION) {
    for (const member of members.slice(k, k + PORTION)) member.connect();
    while (state.connected < Math.min(k + PORTION, wanted)) await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

process.on('message', (message: CrowdOrder | 'await' | 'quiet' | 'report') => {
  if (message === 'await') {
    isAwaited = true;
    tellIfComplete();
  } else if (message === 'quiet') isQuiet = true;
  else if (message === 'report') process.send?.(state satisfies CrowdReport);
  else void gather(message);
});
process.on('disconnect', () => {
  process.exit(0);
});
