/**
 * Socket.IO with rooms as destinations, on its websocket transport alone; the events are those of load/socket-io-protocol.ts.
 * `--redis=` is the URL over which it shares rooms with other nodes.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';
import { createAdapter } from '@socket.io/redis-adapter';
import { Redis } from 'ioredis';
import { Server } from 'socket.io';
import { serveParent } from './server-process.js';

const { values: flags } = parseArgs({ options: { redis: { type: 'string' } } });
const http = createServer();
const io = new Server(http, { transports: ['websocket'], serveClient: false });
if (flags.redis !== undefined) {
  // More than its documentation asks for: PUBLISHes of one turn leave together.
  const publishing = new Redis(flags.redis, { enableAutoPipelining: true });
  const subscribing = publishing.duplicate();
  await Promise.all([publishing.ping(), subscribing.ping()]);
  io.adapter(createAdapter(publishing, subscribing));
}
io.on('connection', (socket) => {
  const { user } = socket.handshake.auth as { user?: string };
  if (user !== undefined) void socket.join(`user:${user}`);
  socket.on('subscribe', (room: string, done: () => void) => {
    void socket.join(room);
    done();
  });
  socket.on('publish', (room: string, body: string) => {
    io.to(room).emit('message', body);
  });
  socket.on('echo', (body: string, reply: (body: string) => void) => reply(body));
  socket.on('notify', (from: number, count: number, body: string) => {
    for (let k = from; k < from + count; k++) io.to(`user:u${k}`).emit('notice', body);
  });
});
http.listen(0, '127.0.0.1', () => {
  serveParent({ tcpPort: 0, httpPort: (http.address() as AddressInfo).port });
});
