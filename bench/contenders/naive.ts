/** The naive server: every MESSAGE built as a string for every subscription, one send each. */
import { nodePeer } from './node-peer.js';

export const naive = nodePeer({
  name: 'naive',
  description: 'frames split as strings; ws.send(string) or socket.write(string) for each subscription',
  module: 'naive-server',
});
