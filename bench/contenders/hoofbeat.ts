/** hoofbeat itself, as bench/servers/hoofbeat-server.ts sets it up. */
import path from 'node:path';
import { ServerProcess } from '../servers/server-process.js';
import { nodePeer, runningPeer } from './node-peer.js';
import type { Peer } from './peer.js';

export const hoofbeat: Peer = nodePeer({
  name: 'hoofbeat',
  description: 'this build; rules, users and heart-beats on, otherwise its defaults',
  module: 'hoofbeat-server',
});

/** With a data directory, where persistent messages are stored. */
export const storingHoofbeat: Peer = {
  ...hoofbeat,
  start: async (directory, nodeArguments) =>
    runningPeer(
      await ServerProcess.start('hoofbeat-server', [`--data=${path.join(directory, 'hoofbeat')}`], nodeArguments),
    ),
};
