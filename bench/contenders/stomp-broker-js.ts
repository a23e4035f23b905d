/** stomp-broker-js, the STOMP broker that npm had before. */
import { nodePeer, versionOf } from './node-peer.js';

export const stompBrokerJs = nodePeer({
  name: 'stomp-broker-js',
  description: `version ${versionOf('stomp-broker-js') ?? 'none'}, WebSocket, defaults`,
  module: 'stomp-broker-js-server',
  needs: 'stomp-broker-js',
});
