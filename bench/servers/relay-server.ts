/**
 * The limit for pairs over TCP: a relay that looks at the first frames of a connection alone. From its first SEND on,
 * whatever a publisher sends is passed on to the subscriber of that destination as it came, chunk by chunk.
 */
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { serveParent } from './server-process.js';

const subscribers = new Map<string, Socket>();

function headerOf(text: string, name: string): string {
  return new RegExp(`\n${name}:(.*)`).exec(text)?.[1] ?? '';
}

const tcp = createServer({ noDelay: true }, (socket) => {
  let receiver: Socket | null = null;
  socket.on('data', (octets: Buffer) => {
    if (receiver !== null) {
      receiver.write(octets);
      return;
    }
    const text = octets.toString('latin1');
    if (text.startsWith('CONNECT')) socket.write('CONNECTED\nversion:1.2\n\n\0');
    else if (text.startsWith('SUBSCRIBE')) {
      subscribers.set(headerOf(text, 'destination'), socket);
      socket.write(`RECEIPT\nreceipt-id:${headerOf(text, 'receipt')}\n\n\0`);
    } else {
      receiver = subscribers.get(headerOf(text, 'destination')) ?? null;
      receiver?.write(octets);
    }
  });
  socket.on('error', () => socket.destroy());
});
tcp.listen(0, '127.0.0.1', () => {
  serveParent({ tcpPort: (tcp.address() as AddressInfo).port, httpPort: 0 });
});
