/** One message there and back over one way in, timed, and looked at as it arrives. */
import { randomBytes } from 'node:crypto';
import {
  openConnection,
  type ClientConnection,
  type ClientConnectionEvents,
  type ClientTrust,
} from '../client-connection.js';
import { openSockJsHttp } from '../sockjs-http-connection.js';
import { StompClient } from '../stomp-client.js';

/** How the octets travel. */
export type Way = 'tcp' | 'websocket' | 'sockjs-websocket' | 'xhr-streaming' | 'xhr-polling';

export interface RoundTripOptions extends ClientTrust {
  readonly url: URL;
  readonly way: Way;
  readonly login?: string | undefined;
  readonly passcode?: string | undefined;
  readonly hostHeader?: string | undefined;
  /** Where to subscribe and send. */
  readonly destination: string;
  readonly timeoutMs: number;
  /** Sends each frame of ours without its last octet, as some clients do. */
  readonly cutsNul?: boolean | undefined;
}

export interface RoundTrip {
  readonly connectMs: number;
  /** SEND until MESSAGE. */
  readonly roundTripMs: number;
  /** Of CONNECTED. */
  readonly server: string | undefined;
  readonly heartBeat: string | undefined;
  /** Every message of ours came with its NUL. */
  readonly hasNuls: boolean;
}

export const WAY_NAMES: Readonly<Record<Way, string>> = {
  tcp: 'TCP',
  websocket: 'WebSocket',
  'sockjs-websocket': 'SockJS websocket',
  'xhr-streaming': 'SockJS xhr-streaming',
  'xhr-polling': 'SockJS xhr-polling',
};

/** Of a URL's scheme. */
export function waysOf({ protocol }: URL): readonly Way[] {
  if (protocol.startsWith('http')) return ['websocket', 'sockjs-websocket', 'xhr-streaming', 'xhr-polling'];
  return protocol.startsWith('ws') ? ['websocket'] : ['tcp'];
}

/** @throws Error of one line */
export async function roundTrip(options: RoundTripOptions): Promise<RoundTrip> {
  const watched = { hasNuls: true };
  let arrived: () => void = () => undefined;
  const arrival = new Promise<void>((resolve) => (arrived = resolve));
  const body = randomBytes(6).toString('hex');
  const began = performance.now();
  const client = await StompClient.connect({
    ...options,
    open: (url, events, trust) => watch(open(options, url, watching(events, watched), trust), options.cutsNul === true),
    onMessage: (frame) => {
      if (frame.body.toString() === body) arrived();
    },
  });
  const connectMs = performance.now() - began;
  try {
    await client.subscribe([
      ['id', 'doctor'],
      ['destination', options.destination],
    ]);
    const sent = performance.now();
    await client.send([['destination', options.destination]], Buffer.from(body), false);
    await inTime(Promise.race([arrival, client.closed]), options.timeoutMs);
    const roundTripMs = performance.now() - sent;
    const { connected } = client;
    const { hasNuls } = watched;
    await client.disconnect().catch(() => undefined);
    return { connectMs, roundTripMs, server: connected.get('server'), heartBeat: connected.get('heart-beat'), hasNuls };
  } finally {
    client.destroy();
  }
}

function open(
  { way }: RoundTripOptions,
  url: URL,
  events: ClientConnectionEvents,
  trust: ClientTrust | undefined,
): ClientConnection {
  const scheme = (from: string, to: string): URL => new URL(url.href.replace(new RegExp(`^${from}`), to));
  switch (way) {
    case 'websocket':
      return openConnection(url.protocol.startsWith('http') ? scheme('http', 'ws') : url, events, trust);
    case 'xhr-streaming':
      return openSockJsHttp('xhr_streaming', url, events, trust);
    case 'xhr-polling':
      return openSockJsHttp('xhr', url, events, trust);
    default:
      return openConnection(url, events, trust);
  }
}

/** A message that ends without NUL or line end was cut on its way here. */
function watching(events: ClientConnectionEvents, watched: { hasNuls: boolean }): ClientConnectionEvents {
  return {
    onOpen: () => {
      events.onOpen();
    },
    onClose: (cause) => {
      events.onClose(cause);
    },
    onBytes: (chunk, endsMessage) => {
      const last = chunk.at(-1);
      if (endsMessage && last !== 0 && last !== 0x0a) watched.hasNuls = false;
      events.onBytes(chunk, endsMessage);
    },
  };
}

function watch(connection: ClientConnection, cutsNul: boolean): ClientConnection {
  if (!cutsNul) return connection;
  return {
    write: (octets, onWritten) => {
      connection.write(octets.at(-1) === 0 ? octets.subarray(0, -1) : octets, onWritten);
    },
    end: () => {
      connection.end();
    },
    destroy: () => {
      connection.destroy();
    },
  };
}

async function inTime(promise: Promise<unknown>, timeoutMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`no MESSAGE within ${timeoutMs / 1000} s`));
    }, timeoutMs);
  });
  try {
    await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
