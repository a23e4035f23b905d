/**
 * Bare HTTP requests to a SockJS endpoint, as the SockJS protocol tests make them.
 */
import {
  Agent,
  request as httpRequest,
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
} from 'node:http';
import { Inbox, inTime } from './inbox.js';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

export interface RequestOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

/** One request on a connection of its own; rejects when the connection is lost. */
export function http(method: string, url: string, { headers = {}, body }: RequestOptions = {}): Promise<Answer> {
  const answered = new Promise<Answer>((resolve, reject) => {
    const request = httpRequest(url, { method, headers, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => (text += part));
      response.on('error', reject);
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
      });
    });
    request.on('error', reject);
    request.end(body);
  });
  return inTime(answered, `the answer to ${method} ${url}`, 15_000);
}

/** A response read while it comes. */
export class StreamingRequest {
  readonly #agent = new Agent();
  readonly #request: ClientRequest;
  readonly #parts = new Inbox<string>();
  readonly head: Promise<IncomingMessage>;
  readonly ended: Promise<void>;
  /** The request is with the system. */
  readonly sent: Promise<void>;
  text = '';

  constructor(method: string, url: string, headers: Readonly<Record<string, string>> = {}) {
    this.#request = httpRequest(url, { method, headers, agent: this.#agent });
    let onEnd: () => void = () => undefined;
    this.ended = new Promise((resolve) => (onEnd = resolve));
    this.head = new Promise((resolve, reject) => {
      this.#request.on('error', reject);
      this.#request.on('response', (response) => {
        response.setEncoding('utf8');
        response.on('data', (part: string) => {
          this.text += part;
          this.#parts.push(part);
        });
        response.on('error', () => undefined);
        response.on('close', () => {
          this.#parts.end('the response has ended');
          onEnd();
        });
        resolve(response);
      });
    });
    this.head.catch(() => undefined);
    this.sent = new Promise((resolve) => {
      this.#request.on('finish', resolve);
    });
    this.#request.end();
  }

  /** Waits until the text so far ends so. */
  async until(end: string): Promise<string> {
    while (!this.text.endsWith(end))
      await this.#parts.next(`${JSON.stringify(end)} after ${JSON.stringify(this.text.slice(-80))}`);
    return this.text;
  }

  untilEnd(): Promise<void> {
    return inTime(this.ended, 'the response to end');
  }

  /** Stops reading for good; the connection stays. */
  async freeze(): Promise<void> {
    (await this.head).pause();
  }

  abort(): void {
    this.#request.destroy();
  }
}

/** The strings of an `a[…]` frame; throws on any other. */
export function messagesOf(frame: string): string[] {
  if (!frame.startsWith('a[')) throw new Error(`not a message frame: ${JSON.stringify(frame.slice(0, 100))}`);
  return JSON.parse(frame.slice(1)) as string[];
}
