/** Takes the PROXY header from the front of a socket: in time, whole, and without losing what stands behind it. */
import type { Socket } from 'node:net';
import { readProxyHeader } from './proxy-header.js';

export interface ProxiedSocketParts {
  /** From accept to the whole header, in ms. */
  readonly deadlineMs: number;
  /** @param remoteAddress null: what the socket itself says */
  readonly onHeader: (remoteAddress: string | null) => void;
  /** The socket is gone or destroyed. */
  readonly onRefused: (reason: string) => void;
}

/** The socket does not flow until it is resumed. */
export function takeProxyHeader(socket: Socket, { deadlineMs, onHeader, onRefused }: ProxiedSocketParts): void {
  let octets = Buffer.alloc(0);
  const finish = (): void => {
    clearTimeout(timer);
    socket.off('data', onData).off('error', onError).off('end', onEnd).off('close', finish);
  };
  const refuse = (reason: string): void => {
    finish();
    // An error that comes late has nobody else to hear it.
    socket.on('error', () => undefined);
    socket.destroy();
    onRefused(reason);
  };
  const onError = (error: Error): void => {
    refuse(error.message);
  };
  const onEnd = (): void => {
    refuse('the connection ended within the PROXY header');
  };
  const onData = (chunk: Buffer): void => {
    octets = Buffer.concat([octets, chunk]);
    try {
      const header = readProxyHeader(octets);
      if (header === null) return;
      finish();
      socket.pause();
      if (octets.length > header.length) socket.unshift(octets.subarray(header.length));
      onHeader(header.remoteAddress);
    } catch (error) {
      refuse(error instanceof Error ? error.message : String(error));
    }
  };
  const timer = setTimeout(() => {
    refuse(`no whole PROXY header within ${deadlineMs} ms`);
  }, deadlineMs);
  socket.on('data', onData).on('error', onError).on('end', onEnd).on('close', finish);
}
