/** The byte pipe of the command line client: TCP, TLS, WebSocket, or SockJS over WebSocket, chosen by the URL's scheme. */
import { randomBytes, randomInt } from 'node:crypto';
import { isUtf8 } from 'node:buffer';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { WebSocket } from 'ws';

export interface ClientConnectionEvents {
  /** @param endsMessage true at the end of a WebSocket message */
  onBytes(chunk: Buffer, endsMessage: boolean): void;
  /** Exactly once, after onOpen or instead of it. */
  onClose(cause?: Error): void;
  onOpen(): void;
}

export interface ClientConnection {
  /** One STOMP frame or a heart-beat. Calls `onWritten` when the system has taken it. */
  write(octets: Buffer, onWritten?: () => void): void;
  /** Sends what was written, then closes. */
  end(): void;
  destroy(): void;
}

/** Extra certificates to trust, PEM. */
export interface ClientTrust {
  readonly ca?: Buffer | undefined;
}

export const SCHEMES = ['tcp:', 'stomp:', 'tls:', 'stomp+ssl:', 'ws:', 'wss:', 'http:', 'https:'] as const;
const STOMP_PORT = 61_613;
/** ActiveMQ's and RabbitMQ's customary port of STOMP over TLS. */
const STOMP_TLS_PORT = 61_614;
const SUBPROTOCOLS = ['v12.stomp', 'v11.stomp', 'v10.stomp'];

/** Begins to connect; what becomes of it is told by `events`. */
export function openConnection(url: URL, events: ClientConnectionEvents, trust: ClientTrust = {}): ClientConnection {
  switch (url.protocol) {
    case 'ws:':
    case 'wss:':
      return openWebSocket(url.href, events, trust);
    case 'http:':
    case 'https:':
      return openSockJs(url, events, trust);
    default:
      return openSocket(url, events, trust);
  }
}

function openSocket(url: URL, events: ClientConnectionEvents, trust: ClientTrust): ClientConnection {
  const isTls = url.protocol === 'tls:' || url.protocol === 'stomp+ssl:';
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = url.port === '' ? (isTls ? STOMP_TLS_PORT : STOMP_PORT) : Number(url.port);
  const socket: Socket = isTls
    ? connectTls({ host, port, ...(trust.ca === undefined ? {} : { ca: trust.ca }), servername: serverName(host) })
    : connectTcp({ host, port, noDelay: true });
  let cause: Error | undefined;
  socket.once(isTls ? 'secureConnect' : 'connect', () => events.onOpen());
  socket.on('data', (chunk: Buffer) => events.onBytes(chunk, false));
  socket.on('error', (error) => (cause = error));
  socket.once('close', () => events.onClose(cause));
  return {
    write: (octets, onWritten) => socket.write(octets, () => onWritten?.()),
    end: () => socket.end(),
    destroy: () => socket.destroy(),
  };
}

/** An IP address is no server name (RFC 6066, 3). */
function serverName(host: string): string {
  return /^[\d.]+$|:/.test(host) ? '' : host;
}

function openWebSocket(href: string, events: ClientConnectionEvents, trust: ClientTrust): ClientConnection {
  const socket = createWebSocket(href, SUBPROTOCOLS, events, trust);
  socket.on('open', () => events.onOpen());
  socket.on('message', (data) => events.onBytes(data as Buffer, true));
  return {
    write: (octets, onWritten) => {
      // Text is what most servers and people with a debugger expect; octets that are none must go as binary.
      socket.send(octets, { binary: !isUtf8(octets) }, () => onWritten?.());
    },
    end: () => socket.close(1000),
    destroy: () => socket.terminate(),
  };
}

/** `<url>/<server>/<session>/websocket`: messages in are `o`, `h`, `a[…]`, `c[…]`, messages out are JSON arrays of text. */
function openSockJs(url: URL, events: ClientConnectionEvents, trust: ClientTrust): ClientConnection {
  const server = String(randomInt(1000)).padStart(3, '0');
  const path = `${url.pathname.replace(/\/$/, '')}/${server}/${randomBytes(8).toString('hex')}/websocket`;
  const address = new URL(`${url.protocol === 'https:' ? 'wss' : 'ws'}://${url.host}${path}${url.search}`);
  const socket = createWebSocket(address.href, [], events, trust);
  socket.on('message', (data) => {
    const text = (data as Buffer).toString();
    if (text === 'o') events.onOpen();
    else if (text.startsWith('a')) {
      for (const item of JSON.parse(text.slice(1)) as string[]) events.onBytes(Buffer.from(item), true);
    }
  });
  return {
    write: (octets, onWritten) => {
      if (!isUtf8(octets)) {
        // Nothing is sent rather than something else.
        socket.terminate();
        return;
      }
      socket.send(JSON.stringify([octets.toString()]), () => onWritten?.());
    },
    end: () => socket.close(1000),
    destroy: () => socket.terminate(),
  };
}

function createWebSocket(
  href: string,
  subprotocols: string[],
  events: ClientConnectionEvents,
  trust: ClientTrust,
): WebSocket {
  const socket = new WebSocket(href, subprotocols, {
    perMessageDeflate: false,
    ...(trust.ca === undefined ? {} : { ca: trust.ca }),
  });
  let cause: Error | undefined;
  socket.on('error', (error) => (cause = error));
  socket.on('close', () => events.onClose(cause));
  return socket;
}
