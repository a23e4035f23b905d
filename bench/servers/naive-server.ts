/**
 * The naive way: frames split as strings, and for each subscription the whole MESSAGE built again and sent in a call of
 * its own. `/app/echo` answers its sender on `/user/queue/replies`, `/app/notify/{from}/{count}` sends to that many users
 * on `/user/queue/notices`. No rules, no limits, no heart-beats: it does less than a broker has to.
 */
import { createServer, type AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';
import { serveParent } from './server-process.js';

interface Client {
  readonly send: (frame: string) => void;
  user: string;
  /** Destinations by which others find it. */
  readonly destinations: string[];
}

const subscribers = new Map<string, Map<Client, string>>();
const users = new Map<string, Client>();
let lastMessageId = 0;

function onFrame(text: string, client: Client): void {
  const end = text.indexOf('\n\n');
  const [command, ...lines] = text.slice(0, end).trimStart().split('\n');
  const headers = new Map(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]));
  const destination = headers.get('destination') ?? '';
  const body = text.slice(end + 2);
  if (command === 'CONNECT') {
    client.user = headers.get('x-user-id') ?? '';
    users.set(client.user, client);
    client.send('CONNECTED\nversion:1.2\n\n\0');
  } else if (command === 'SUBSCRIBE') {
    const list = subscribers.get(destination) ?? new Map<Client, string>();
    subscribers.set(destination, list.set(client, headers.get('id') ?? ''));
    client.destinations.push(destination);
    client.send(`RECEIPT\nreceipt-id:${headers.get('receipt') ?? ''}\n\n\0`);
  } else if (destination === '/app/echo') {
    message(client, '/user/queue/replies', headers, body);
  } else if (destination.startsWith('/app/notify/')) {
    const [from = 0, count = 0] = destination.split('/').slice(3).map(Number);
    for (let k = from; k < from + count; k++) {
      const user = users.get(`u${k}`);
      if (user !== undefined) message(user, '/user/queue/notices', headers, body);
    }
  } else {
    for (const client of subscribers.get(destination)?.keys() ?? []) message(client, destination, headers, body);
  }
}

function message(to: Client, destination: string, headers: ReadonlyMap<string, string>, body: string): void {
  const id = subscribers.get(destination)?.get(to) ?? '';
  let frame = `MESSAGE\nsubscription:${id}\nmessage-id:naive-${++lastMessageId}\n`;
  for (const [name, value] of headers) frame += `${name}:${name === 'destination' ? destination : value}\n`;
  to.send(`${frame}\n${body}\0`);
}

/** What takes the text of a new client, and what is to be called when it is gone. */
function serve(send: (frame: string) => void): { push: (text: string) => void; leave: () => void } {
  const client: Client = { send, user: '', destinations: [] };
  let rest = '';
  return {
    push: (text) => {
      const frames = (rest + text).split('\0');
      rest = frames.pop() ?? '';
      for (const frame of frames) onFrame(frame, client);
    },
    leave: () => {
      for (const destination of client.destinations) subscribers.get(destination)?.delete(client);
      if (users.get(client.user) === client) users.delete(client.user);
    },
  };
}

const tcp = createServer({ noDelay: true }, (socket) => {
  const { push, leave } = serve((frame) => socket.write(frame));
  socket.setEncoding('utf8');
  socket.on('data', push as (text: string | Buffer) => void);
  socket.on('close', leave);
  socket.on('error', () => socket.destroy());
});
tcp.listen(0, '127.0.0.1', () => {
  const webSocket = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false }, () => {
    const portOf = (address: AddressInfo | string | null): number => (address as AddressInfo).port;
    serveParent({ tcpPort: portOf(tcp.address()), httpPort: portOf(webSocket.address()) });
  });
  webSocket.on('connection', (socket) => {
    const { push, leave } = serve((frame) => socket.send(frame));
    socket.on('message', (data: Buffer) => push(data.toString()));
    socket.on('close', leave);
  });
});
