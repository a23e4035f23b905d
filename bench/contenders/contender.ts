/** A contender is one way to reach a peer: over which transport, in which protocol. Lists of them that scenarios share. */
import type { ProtocolName } from '../load/load-protocol.js';
import type { LoadSettings } from '../load/load-task.js';
import { hoofbeat, storingHoofbeat } from './hoofbeat.js';
import { blindRelay, prebuiltFrame, sharedBatch } from './limits.js';
import { naive } from './naive.js';
import type { Peer } from './peer.js';
import { rabbitMq } from './rabbitmq.js';
import { socketIo } from './socket-io.js';
import { springPeer } from './spring.js';
import { stompBrokerJs } from './stomp-broker-js.js';

export type TransportName = 'TCP' | 'WebSocket';

export interface Contender {
  /** `hoofbeat` is what the others of a transport are compared with. */
  readonly name: string;
  readonly peer: Peer;
  readonly transport: TransportName;
  readonly protocol: ProtocolName;
  /** Of the HTTP upgrade. */
  readonly path?: string;
  /** Default true. */
  readonly hasReceipts?: boolean;
  /** Above which it takes minutes to connect. */
  readonly maxConnections?: number;
  /** For the load's task, beside those of the scenario. */
  readonly settings?: LoadSettings;
}

const tcp = (peer: Peer): Contender => ({ name: peer.name, peer, transport: 'TCP', protocol: 'stomp-tcp' });
const webSocket = (peer: Peer, path: string): Contender => ({
  name: peer.name,
  peer,
  transport: 'WebSocket',
  protocol: 'stomp-websocket',
  path,
});

export const hoofbeatTcp = tcp(hoofbeat);
export const hoofbeatWebSocket = webSocket(hoofbeat, '/ws');
export const hoofbeatSockJs: Contender = { ...hoofbeatWebSocket, name: 'hoofbeat SockJS', protocol: 'stomp-sockjs' };
/** For queues: with a data directory. */
export const hoofbeatStoring = tcp(storingHoofbeat);
export const naiveTcp = tcp(naive);
export const naiveWebSocket = webSocket(naive, '/');
export const rabbitMqTcp: Contender = { ...tcp(rabbitMq), maxConnections: 1_000 };
export const rabbitMqClassic: Contender = { ...tcp(rabbitMq), name: 'RabbitMQ classic' };
export const rabbitMqQuorum: Contender = {
  ...tcp(rabbitMq),
  name: 'RabbitMQ quorum',
  settings: { isQuorum: true },
};
export const rabbitMqWebSocket: Contender = {
  ...webSocket(rabbitMq, '/ws'),
  name: 'RabbitMQ Web-STOMP',
  maxConnections: 1_000,
};
export const stompBrokerJsWebSocket: Contender = { ...webSocket(stompBrokerJs, '/stomp'), hasReceipts: false };
export const socketIoWebSocket: Contender = { ...webSocket(socketIo, ''), protocol: 'socket.io' };
export const prebuiltTcp = tcp(prebuiltFrame);
export const prebuiltWebSocket = webSocket(prebuiltFrame, '/');
export const relayTcp = tcp(blindRelay);
export const batchTcp = tcp(sharedBatch);
export const batchWebSocket = webSocket(sharedBatch, '/');

/** @param jar null when none was given: the contender is there to be named as skipped */
export function springWebSocket(jar: string | null): Contender {
  return { ...webSocket(springPeer(jar), '/ws'), hasReceipts: false };
}
