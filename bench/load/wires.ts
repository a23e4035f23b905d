/** STOMP frames as octets on TCP, in WebSocket messages, and in SockJS messages on a WebSocket: the client's side. */

/** Any mask but zeros, which a server could take short cuts with. */
const MASK = Buffer.from([0x37, 0xfa, 0x21, 0x3d]);
/** 1 GET, 2 the answer of any server that takes it. */
const KEY = 'MDEyMzQ1Njc4OWFiY2RlZg==';

export interface Wire {
  /** Null where nothing comes before the first frame. */
  handshake(port: number, path: string, index: number): string | null;
  /** What the server says last before the first frame may be sent. */
  readonly greeting: string;
  encode(frame: string): Buffer;
}

/** One masked text message. */
export function encodeTextMessage(text: string): Buffer {
  const payload = Buffer.from(text);
  for (let k = 0; k < payload.length; k++) payload[k] = (payload[k] ?? 0) ^ (MASK[k & 3] ?? 0);
  const length = payload.length;
  let header: Buffer;
  if (length < 126) header = Buffer.from([0x81, 0x80 | length]);
  else if (length < 65_536) header = Buffer.from([0x81, 0x80 | 126, length >>> 8, length & 0xff]);
  else {
    header = Buffer.alloc(10);
    header[0] = 0x81;
    header[1] = 0x80 | 127;
    header.writeUIntBE(length, 4, 6);
  }
  return Buffer.concat([header, MASK, payload]);
}

/** @param headers lines of their own, each ending in CRLF */
export function upgradeRequest(port: number, path: string, headers = ''): string {
  return (
    `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
    `Sec-WebSocket-Key: ${KEY}\r\nSec-WebSocket-Version: 13\r\n${headers}\r\n`
  );
}

export const tcpWire: Wire = {
  handshake: () => null,
  greeting: '',
  encode: (frame) => Buffer.from(frame),
};

export const webSocketWire: Wire = {
  handshake: (port, path) => upgradeRequest(port, path, 'Sec-WebSocket-Protocol: v12.stomp\r\n'),
  greeting: '\r\n\r\n',
  encode: encodeTextMessage,
};

export const sockJsWire: Wire = {
  handshake: (port, path, index) => upgradeRequest(port, `${path}/000/s${process.pid}x${index}/websocket`),
  // The message `o`, unmasked.
  greeting: '\r\n\r\n\x81\x01o',
  encode: (frame) => encodeTextMessage(JSON.stringify([frame])),
};
