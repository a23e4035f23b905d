/** The practical limits in Node: prebuilt octets on bare sockets. */
import { nodePeer } from './node-peer.js';

export const prebuiltFrame = nodePeer({
  name: 'limit: prebuilt frame',
  description: 'nothing parsed; socket.write of one prebuilt buffer for each delivery',
  module: 'limit-server',
  serverArguments: ['frame'],
});

export const sharedBatch = nodePeer({
  name: 'limit: shared batch',
  description: 'nothing parsed; one socket.write for each subscriber and read, the same prebuilt octets for all',
  module: 'limit-server',
  serverArguments: ['batch'],
});

export const blindRelay = nodePeer({
  name: 'limit: blind relay',
  description: 'nothing parsed; each chunk of a publisher is written to its subscriber as it came',
  module: 'relay-server',
});
