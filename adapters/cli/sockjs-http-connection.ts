/** SockJS without WebSocket, as browsers behind strict proxies have it: xhr_streaming or xhr (polling) in, xhr_send out. */
import { randomBytes, randomInt } from 'node:crypto';
import { isUtf8 } from 'node:buffer';
import { request as requestHttp, type ClientRequest, type IncomingMessage } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { ClientConnection, ClientConnectionEvents, ClientTrust } from './client-connection.js';

export type SockJsHttpTransport = 'xhr_streaming' | 'xhr';

/** `http(s)://host/path` of a SockJS endpoint. */
export function openSockJsHttp(
  transport: SockJsHttpTransport,
  url: URL,
  events: ClientConnectionEvents,
  trust: ClientTrust = {},
): ClientConnection {
  return new SockJsHttpConnection(transport, url, events, trust);
}

class SockJsHttpConnection implements ClientConnection {
  readonly #base: string;
  readonly #transport: SockJsHttpTransport;
  readonly #events: ClientConnectionEvents;
  readonly #trust: ClientTrust;
  #receiving: ClientRequest | null = null;
  #sending: Promise<void> = Promise.resolve();
  #isOpen = false;
  #isOver = false;

  constructor(transport: SockJsHttpTransport, url: URL, events: ClientConnectionEvents, trust: ClientTrust) {
    const server = String(randomInt(1000)).padStart(3, '0');
    this.#base = `${url.origin}${url.pathname.replace(/\/$/, '')}/${server}/${randomBytes(8).toString('hex')}`;
    this.#transport = transport;
    this.#events = events;
    this.#trust = trust;
    this.#receive();
  }

  write(octets: Buffer, onWritten?: () => void): void {
    if (!isUtf8(octets)) {
      this.#close(new Error('SockJS carries text only'));
      return;
    }
    const body = JSON.stringify([octets.toString()]);
    // One after the other: what overtakes another is another order of frames.
    this.#sending = this.#sending.then(() => this.#post(body)).then(onWritten);
  }

  end(): void {
    void this.#sending.then(() => {
      this.#close();
    });
  }

  destroy(): void {
    this.#close();
  }

  /** One response after the other; of polling each holds one frame of SockJS. */
  #receive(): void {
    if (this.#isOver) return;
    const request = this.#request(this.#transport, (response) => {
      if (response.statusCode !== 200) {
        this.#close(new Error(`${this.#transport} was answered ${response.statusCode ?? 0}`));
        return;
      }
      let rest = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        const lines = (rest + text).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) this.#onLine(line);
      });
      response.on('end', () => {
        this.#receive();
      });
    });
    this.#receiving = request;
    request.end();
  }

  #onLine(line: string): void {
    if (this.#isOver) return;
    if (line === 'o' && this.#isOpen) {
      this.#close(new Error('the session was opened a second time'));
    } else if (line === 'o') {
      this.#isOpen = true;
      this.#events.onOpen();
    } else if (line.startsWith('a')) {
      for (const item of JSON.parse(line.slice(1)) as string[]) this.#events.onBytes(Buffer.from(item), true);
    } else if (line.startsWith('c')) {
      this.#close(this.#isOpen ? undefined : new Error(`the session was refused: ${line}`));
    }
  }

  #post(body: string): Promise<void> {
    return new Promise((resolve) => {
      if (this.#isOver) return;
      const request = this.#request('xhr_send', (response) => {
        response.resume();
        if (response.statusCode === 204) resolve();
        else this.#close(new Error(`xhr_send was answered ${response.statusCode ?? 0}`));
      });
      request.end(body);
    });
  }

  #request(path: string, onResponse: (response: IncomingMessage) => void): ClientRequest {
    const { ca } = this.#trust;
    const url = `${this.#base}/${path}`;
    const options = { method: 'POST', headers: { 'content-type': 'text/plain' }, agent: false as const };
    const request = url.startsWith('https:')
      ? requestHttps(url, { ...options, ...(ca === undefined ? {} : { ca }) }, onResponse)
      : requestHttp(url, options, onResponse);
    return request.on('error', (error) => {
      this.#close(error);
    });
  }

  #close(cause?: Error): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#receiving?.destroy();
    this.#events.onClose(cause);
  }
}
