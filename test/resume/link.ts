/** A connection that may be cut at any octet: STOMP frames over TCP, or over a WebSocket. */
import { connect } from 'node:net';
import { WebSocket } from 'ws';
import { frameHead } from '../helpers/raw-client.js';
import { readServerFrames, type ServerFrame } from '../helpers/server-frames.js';

export type LinkKind = 'tcp' | 'websocket';

/** Where a broker listens at the moment. */
export type Ports = Readonly<Record<LinkKind, number>>;

export interface LinkEvents {
  readonly onFrame: (frame: ServerFrame) => void;
  /** The connection is gone, or never was: once, and not when it was cut here. */
  readonly onEnd: () => void;
}

export interface Link {
  /** @param headers written as they are */
  send(command: string, headers: Readonly<Record<string, string>>, body?: string): void;
  /** Ends it at once; nothing more is heard, also of what has arrived. */
  cut(): void;
}

interface Pipe {
  write(text: string): void;
  destroy(): void;
}

interface PipeEvents {
  onOpen(): void;
  onOctets(octets: Buffer): void;
  onEnd(): void;
}

const OPENERS: Readonly<Record<LinkKind, (port: number, events: PipeEvents) => Pipe>> = {
  tcp(port, events) {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    socket.on('connect', () => {
      events.onOpen();
    });
    socket.on('data', (octets) => {
      events.onOctets(octets);
    });
    // A broker that was killed resets what it had not read.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      events.onEnd();
    });
    return { write: (text) => socket.write(text), destroy: () => socket.destroy() };
  },
  websocket(port, events) {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`, ['v12.stomp']);
    socket.on('open', () => {
      events.onOpen();
    });
    socket.on('message', (octets: Buffer) => {
      events.onOctets(octets);
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      events.onEnd();
    });
    return {
      write: (text) => {
        if (socket.readyState === WebSocket.OPEN) socket.send(text);
      },
      destroy: () => {
        socket.terminate();
      },
    };
  },
};

/** Connects and says CONNECT; what is sent before the answer waits for the connection, no longer. */
export function openLink(kind: LinkKind, ports: Ports, events: LinkEvents): Link {
  let isCut = false;
  // A frame may be what the link is cut for.
  const isOpen = (): boolean => !isCut;
  let rest: Buffer = Buffer.alloc(0);
  const connectFrame = `${frameHead('CONNECT', { 'accept-version': '1.2', host: 'test', 'heart-beat': '0,0' })}\0`;
  const pipe = OPENERS[kind](ports[kind], {
    onOpen: () => {
      if (isOpen()) pipe.write(connectFrame);
    },
    onOctets: (octets) => {
      if (!isOpen()) return;
      const read = readServerFrames(rest.length === 0 ? octets : Buffer.concat([rest, octets]));
      rest = read.rest;
      for (const frame of read.frames) {
        if (!isOpen()) return;
        events.onFrame(frame);
      }
    },
    onEnd: () => {
      if (isOpen()) events.onEnd();
      isCut = true;
    },
  });
  return {
    send: (command, headers, body = '') => {
      if (isOpen()) pipe.write(`${frameHead(command, headers)}${body}\0`);
    },
    cut: () => {
      isCut = true;
      pipe.destroy();
    },
  };
}
