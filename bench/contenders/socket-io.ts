/** Socket.IO, with rooms as destinations. */
import { nodePeer, versionOf } from './node-peer.js';

export const socketIo = nodePeer({
  name: 'Socket.IO',
  description: `version ${versionOf('socket.io') ?? 'none'}, websocket transport, rooms, defaults`,
  module: 'socket-io-server',
  needs: 'socket.io',
});
