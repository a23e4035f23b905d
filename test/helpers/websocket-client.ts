/**
 * A WebSocket client whose messages and close are awaited.
 */
import type { IncomingMessage } from 'node:http';
import { WebSocket, type ClientOptions } from 'ws';
import { Inbox, inTime } from './inbox.js';

export interface ReceivedMessage {
  readonly data: Buffer;
  readonly text: string;
  readonly isBinary: boolean;
}

export interface ClientSettings extends ClientOptions {
  readonly protocols?: readonly string[];
}

export class WebSocketClient {
  readonly ws: WebSocket;
  readonly messages = new Inbox<ReceivedMessage>();
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;

  private constructor(ws: WebSocket) {
    this.ws = ws;
    ws.on('message', (data: Buffer, isBinary) => {
      this.messages.push({ data, text: data.toString(), isBinary });
    });
    ws.on('error', () => undefined);
    this.closed = new Promise((resolve) => {
      ws.on('close', (code, reason) => {
        this.messages.end(`closed with ${String(code)} ${reason.toString()}`);
        resolve({ code, reason: reason.toString() });
      });
    });
  }

  /** Rejects when the handshake fails. @param url http or ws */
  static async open(url: string, settings: ClientSettings = {}): Promise<WebSocketClient> {
    const { protocols = [], ...options } = settings;
    const client = new WebSocketClient(new WebSocket(url.replace(/^http/, 'ws'), [...protocols], options));
    await inTime(
      new Promise((resolve, reject) => {
        client.ws.once('open', resolve);
        client.ws.once('error', reject);
      }),
      'the WebSocket to open',
    );
    return client;
  }

  /** The HTTP answer to a handshake that is refused. */
  static refusal(
    url: string,
    settings: ClientSettings = {},
  ): Promise<{ status: number; headers: IncomingMessage['headers']; text: string }> {
    const { protocols = [], ...options } = settings;
    const ws = new WebSocket(url.replace(/^http/, 'ws'), [...protocols], options);
    ws.on('error', () => undefined);
    return inTime(
      new Promise((resolve, reject) => {
        ws.on('open', () => {
          ws.terminate();
          reject(new Error('the handshake was accepted'));
        });
        ws.on('unexpected-response', (_request, response) => {
          let text = '';
          response.setEncoding('utf8');
          response.on('data', (part: string) => (text += part));
          response.on('end', () => {
            resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
          });
        });
      }),
      'the handshake to be refused',
    );
  }

  send(message: string | Uint8Array): void {
    this.ws.send(message);
  }

  next(what?: string): Promise<ReceivedMessage> {
    return this.messages.next(what);
  }

  close(): void {
    this.ws.terminate();
  }
}
