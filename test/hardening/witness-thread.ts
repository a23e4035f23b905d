/**
 * Somebody else's client while a server is attacked: sends itself a message every few milliseconds and measures how long
 * each takes. A thread of its own, so that the attackers' work does not hold it up.
 */
import { connect } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';

export interface WitnessData {
  readonly port: number;
  readonly headers: string;
}

export interface Witnessed {
  readonly roundTrips: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** The connection ended, or a frame came that is no MESSAGE: what it was. */
  readonly trouble: string | null;
}

const EVERY_MS = 4;
const { port, headers } = workerData as WitnessData;
const tookMs: number[] = [];
let trouble: string | null = null;
let text = '';
let isReady = false;
let isOver = false;
let sentAtMs = 0;

// Not the attackers' address, so that what is allowed to an address is another's.
const socket = connect({ port, host: '127.0.0.1', localAddress: '127.0.0.9', noDelay: true });
socket.write(`CONNECT\naccept-version:1.2\nhost:localhost\nheart-beat:0,0\n${headers}\n\0`);
socket.write('SUBSCRIBE\nid:w\ndestination:/topic/witness\nreceipt:ready\n\n\0');
socket.setEncoding('latin1');
socket.on('error', (error) => (trouble ??= error.message));
socket.on('close', () => (trouble ??= 'the connection was closed'));
socket.on('data', (part: string) => {
  text += part;
  for (let end = text.indexOf('\0'); end >= 0; end = text.indexOf('\0')) {
    const frame = text.slice(0, end).trimStart();
    text = text.slice(end + 1);
    if (frame.startsWith('MESSAGE')) onMessage();
    else if (frame.startsWith('RECEIPT')) onReady();
    else if (!frame.startsWith('CONNECTED')) trouble ??= frame;
  }
});

function send(): void {
  sentAtMs = performance.now();
  socket.write('SEND\ndestination:/topic/witness\n\n.\0');
}

function onReady(): void {
  isReady = true;
  parentPort?.postMessage('ready');
  send();
}

function onMessage(): void {
  tookMs.push(performance.now() - sentAtMs);
  if (isOver) finish();
  else setTimeout(send, EVERY_MS);
}

function finish(): void {
  tookMs.sort((a, b) => a - b);
  const at = (part: number): number => tookMs[Math.min(tookMs.length - 1, Math.floor(tookMs.length * part))] ?? 0;
  const seen: Witnessed = {
    roundTrips: tookMs.length,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    maxMs: at(1),
    trouble: isReady ? trouble : (trouble ?? 'never connected'),
  };
  parentPort?.postMessage(seen);
  socket.destroy();
  parentPort?.close();
}

parentPort?.on('message', () => {
  isOver = true;
  // The message that is on its way counts: it may be the one that waits longest.
  if (trouble !== null || !isReady) finish();
});
