/**
 * @stomp/stompjs as an application uses it, with what arrives awaited. Over the WebSocket of `ws`, as its guide for
 * Node says, or over sockjs-client with one transport forced.
 */
import { Client, Versions, type IFrame, type IMessage, type StompConfig } from '@stomp/stompjs';
import SockJS from 'sockjs-client';
import type { Test } from 'tap';
import { WebSocket } from 'ws';
import { DEADLINE_MS, Inbox, inTime } from './inbox.js';

// stompjs builds its own WebSocket from the global, with the subprotocols of the versions it speaks.
Object.assign(globalThis, { WebSocket });

/** The transports that sockjs-client can use outside a browser. */
export const SOCKJS_TRANSPORTS = ['websocket', 'xhr-streaming', 'eventsource', 'xhr-polling'] as const;
export type SockJsTransport = (typeof SOCKJS_TRANSPORTS)[number];

/** stompjs' configuration as a plain object; its own type is a class. */
export type StompjsConfig = { [K in keyof StompConfig]: StompConfig[K] };

/** What a browser says when a connection is over. */
export interface Closed {
  readonly code: number;
  readonly reason: string;
  readonly wasClean: boolean;
}

/** Configuration that makes stompjs connect to the native endpoint. */
export function overWebSocket(httpPort: number, path = '/ws'): StompjsConfig {
  return { brokerURL: `ws://127.0.0.1:${httpPort}${path}` };
}

/** Configuration that makes stompjs connect over SockJS, with these transports and no other. */
export function overSockJs(httpPort: number, ...transports: readonly SockJsTransport[]): StompjsConfig {
  const options = { transports: [...(transports.length === 0 ? SOCKJS_TRANSPORTS : transports)] };
  return { webSocketFactory: () => new SockJS(`http://127.0.0.1:${httpPort}/ws`, null, options) };
}

/** For `stompVersions`. */
export function versions(...list: readonly string[]): Versions {
  return new Versions([...list]);
}

export class StompjsClient {
  readonly client: Client;
  readonly errors = new Inbox<IFrame>();
  /** CONNECTED; rejects with what the server says when it refuses, or when the connection ends first. */
  readonly connected: Promise<IFrame>;
  readonly closed: Promise<Closed>;
  #lastReceipt = 0;

  /** Starts connecting; a lost connection is not made anew. */
  constructor(config: StompjsConfig) {
    this.client = new Client({ reconnectDelay: 0, heartbeatIncoming: 0, heartbeatOutgoing: 0, ...config });
    let refuse: (error: Error) => void;
    this.connected = new Promise((resolve, reject) => {
      this.client.onConnect = resolve;
      refuse = reject;
    });
    this.client.onStompError = (frame) => {
      this.errors.push(frame);
      refuse(new Error(`ERROR instead of CONNECTED: ${frame.headers['message'] ?? frame.body}`));
    };
    this.closed = new Promise((resolve) => {
      this.client.onWebSocketClose = ({ code, reason, wasClean }: Closed) => {
        this.errors.end(`closed with ${code} ${reason}`);
        refuse(new Error(`closed with ${code} ${reason} instead of CONNECTED`));
        resolve({ code, reason, wasClean });
      };
    });
    // Not everybody waits for it.
    this.connected.catch(() => undefined);
    this.client.activate();
  }

  /** Connected; deactivated with the test. */
  static async connect(t: Test, config: StompjsConfig): Promise<StompjsClient> {
    const client = StompjsClient.openFor(t, config);
    await inTime(client.connected, 'CONNECTED');
    return client;
  }

  /** Connecting; deactivated with the test. */
  static openFor(t: Test, config: StompjsConfig): StompjsClient {
    const client = new StompjsClient(config);
    t.teardown(() => client.client.deactivate({ force: true }));
    return client;
  }

  /** What arrives on a new subscription. Resolves once the server confirmed it. */
  async subscribe(destination: string, headers: Readonly<Record<string, string>> = {}): Promise<Inbox<IMessage>> {
    const inbox = new Inbox<IMessage>();
    await this.receipt(`SUBSCRIBE to ${destination}`, (receipt) => {
      this.client.subscribe(destination, (message) => inbox.push(message), { ...headers, receipt });
    });
    return inbox;
  }

  /** Resolves when the RECEIPT has come for the frame that `send` sends. */
  receipt(what: string, send: (receipt: string) => void, deadlineMs = DEADLINE_MS): Promise<IFrame> {
    const receipt = `receipt-${++this.#lastReceipt}`;
    const received = new Promise<IFrame>((resolve) => {
      this.client.watchForReceipt(receipt, resolve);
    });
    send(receipt);
    return inTime(received, `the RECEIPT of ${what}`, deadlineMs);
  }

  /** Everything sent before is handled, and whatever it caused here has been received. */
  async fence(): Promise<void> {
    await this.receipt('a fence', (receipt) => {
      this.client.publish({ destination: '/topic/nobody.listens.here', headers: { receipt } });
    });
  }

  /** The application's orderly end: DISCONNECT, RECEIPT, close. */
  async deactivate(): Promise<Closed> {
    await inTime(this.client.deactivate(), 'deactivate()');
    return inTime(this.closed, 'the close of the WebSocket');
  }
}
