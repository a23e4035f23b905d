/**
 * The naive way, for fan-out.bench.ts: frames split as strings, and for each subscription the whole MESSAGE built again
 * and sent in a call of its own. No rules, no limits, no heart-beats: it does less than a broker has to.
 */
import { createServer, type AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';
import { serveParent } from './server-process.js';

interface Subscriber {
  readonly id: string;
  readonly send: (frame: string) => void;
}

const subscribers = new Map<string, Subscriber[]>();
let lastMessageId = 0;

function onFrame(text: string, send: (frame: string) => void): void {
  const end = text.indexOf('\n\n');
  const [command, ...lines] = text.slice(0, end).trimStart().split('\n');
  const headers = new Map(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]));
  const destination = headers.get('destination') ?? '';
  if (command === 'CONNECT') send('CONNECTED\nversion:1.2\n\n\0');
  else if (command === 'SUBSCRIBE') {
    const list = subscribers.get(destination) ?? [];
    list.push({ id: headers.get('id') ?? '', send });
    subscribers.set(destination, list);
    send(`RECEIPT\nreceipt-id:${headers.get('receipt') ?? ''}\n\n\0`);
  } else publish(destination, headers, text.slice(end + 2));
}

function publish(destination: string, headers: ReadonlyMap<string, string>, body: string): void {
  const messageId = `naive-${++lastMessageId}`;
  for (const subscriber of subscribers.get(destination) ?? []) {
    let frame = `MESSAGE\nsubscription:${subscriber.id}\nmessage-id:${messageId}\n`;
    for (const [name, value] of headers) frame += `${name}:${value}\n`;
    subscriber.send(`${frame}\n${body}\0`);
  }
}

function feed(send: (frame: string) => void): (text: string) => void {
  let rest = '';
  return (text) => {
    const frames = (rest + text).split('\0');
    rest = frames.pop() ?? '';
    for (const frame of frames) onFrame(frame, send);
  };
}

const tcp = createServer({ noDelay: true }, (socket) => {
  socket.setEncoding('utf8');
  socket.on('data', feed((frame) => socket.write(frame)) as (text: string | Buffer) => void);
  socket.on('error', () => socket.destroy());
});
tcp.listen(0, '127.0.0.1', () => {
  const webSocket = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false }, () => {
    const portOf = (address: AddressInfo | string | null): number => (address as AddressInfo).port;
    serveParent({ tcpPort: portOf(tcp.address()), httpPort: portOf(webSocket.address()) });
  });
  webSocket.on('connection', (socket) => {
    const push = feed((frame) => {
      socket.send(frame);
    });
    socket.on('message', (data: Buffer) => {
      push(data.toString());
    });
  });
});
