/** Socket.IO with rooms as destinations, on its websocket transport alone; the events are those of load/socket-io-protocol.ts. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server } from 'socket.io';
import { serveParent } from './server-process.js';

const http = createServer();
const io = new Server(http, { transports: ['websocket'], serveClient: false });
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
