/**
 * Scripts of frames for the broker. Whatever they are: the same octets cut otherwise have the same answer, each RECEIPT comes
 * once and in order, nothing follows an ERROR, each frame is one that a plain client can read, and nothing is left behind.
 */
import { DEFAULT_FRAME_LIMITS, type StompVersion } from '../../../protocol/index.js';
import { header, readServerFrames, type ServerFrame } from '../../helpers/server-frames.js';
import { readFrames, type ReadFrame } from './reference-parser.js';
import { play, RECORD_SEPARATOR, script, SCRIPT_WORDS, WHOLE, type Life, type Played } from './session-script.js';
import { releaseIds, restartIds } from './steady-ids.js';
import type { Target } from './target.js';

export const session: Target = {
  name: 'session scripts',
  covers: ['protocol/', 'broker/'],
  separator: RECORD_SEPARATOR,
  maxBytes: 4_000,
  words: SCRIPT_WORDS,
  generate: script,
  run(input) {
    const whole = playAnew(input, WHOLE);
    checkEnd(whole);
    for (const life of whole.lives) checkLife(life);
    const step = 1 + (input.length % 5);
    const inPieces = playAnew(input, (octets) => pieces(octets, step));
    const [got, wants] = [inPieces, whole].map(({ lives }) => lives.map(answer));
    if (JSON.stringify(got) !== JSON.stringify(wants))
      throw new Error(`in pieces of ${step}: ${JSON.stringify(got)}, wants ${JSON.stringify(wants)}`);
  },
  stop: releaseIds,
};

/** What a client got; of two faults in a frame the cut decides which is met first, so one of the grammar stands for all. */
function answer({ received }: Life): string {
  const text = Buffer.concat(received).toString('latin1');
  return text.replace(
    /(?<=^|\0)ERROR\n[^\0]*code:(?:body|command|content-length|frame|headers?)-[^]*/,
    'ERROR of the grammar',
  );
}

function playAnew(input: Buffer, cut: typeof WHOLE): Played {
  restartIds();
  return play(input, cut);
}

function pieces(octets: Buffer, step: number): Buffer[] {
  const list: Buffer[] = [];
  for (let at = 0; at < octets.length; at += step) list.push(octets.subarray(at, at + step));
  return list;
}

/** Everybody is gone. */
function checkEnd({ fixture }: Played): void {
  const { connections, subscriptions, temporaryQueues } = fixture.broker.stats();
  const { operations } = fixture.broker;
  const left: Record<string, number> = {
    connections: connections.current,
    subscriptions,
    temporaryQueues,
    sessions: operations.sessionCount,
    users: operations.userCount,
  };
  for (const { destination, queue, subscriberCount } of operations.destinations()) {
    left[`subscribers of ${destination}`] = subscriberCount;
    if (queue !== null) left[`unsettled in ${destination}`] = queue.unsettled;
  }
  if (Object.values(left).some((count) => count !== 0)) throw new Error(`left behind: ${JSON.stringify(left)}`);
  const internal = fixture.log.find(({ message }) => message === 'internal error');
  if (internal !== undefined) throw new Error(`internal error: ${JSON.stringify(internal)}`);
}

function checkLife(life: Life): void {
  const octets = Buffer.concat(life.received);
  const first = readServerFrames(octets, '1.0').frames[0];
  const version = (first?.command === 'CONNECTED' ? header(first, 'version') : '1.2') as StompVersion;
  const { frames, rest } = readServerFrames(octets, version);
  const wasCut = life.client.connection.calls.includes('destroy');
  if (rest.length > 0 && !wasCut && !life.hasLeft)
    throw new Error(`half a frame: ${JSON.stringify(rest.toString('latin1'))}`);
  if (first !== undefined && first.command !== 'CONNECTED' && first.command !== 'ERROR')
    throw new Error(`begins with ${first.command}`);
  const error = frames.findIndex(({ command }) => command === 'ERROR');
  if (error >= 0 && error < frames.length - 1) throw new Error(`${frames[error + 1]?.command ?? ''} behind ERROR`);
  const limits = first?.command === 'CONNECTED' ? DEFAULT_FRAME_LIMITS : { ...DEFAULT_FRAME_LIMITS, maxBodyBytes: 0 };
  const versionOf = (k: number): StompVersion => (k === 0 ? '1.2' : version);
  const sent = readFrames(Buffer.concat(life.written), limits, versionOf);
  checkMessages(frames, sent.frames);
  checkReceipts(life, frames, sent.frames, sent.end === 'refused');
}

function checkMessages(frames: readonly ServerFrame[], sent: readonly ReadFrame[]): void {
  const asked = new Set(
    sent.filter(({ command }) => command === 'SUBSCRIBE').map(({ headers }) => valueOf(headers, 'id')),
  );
  const acks = new Set<string>();
  for (const frame of frames) {
    if (frame.command !== 'MESSAGE') continue;
    const id = header(frame, 'subscription');
    if (header(frame, 'message-id') === undefined || header(frame, 'destination') === undefined)
      throw new Error(`a MESSAGE without message-id or destination: ${JSON.stringify(frame.headers)}`);
    const isImplied = header(frame, 'destination')?.startsWith('/temp-queue/') === true;
    if (!asked.has(id) && !isImplied) throw new Error(`a MESSAGE for ${JSON.stringify(id)}, which nobody asked for`);
    const ack = header(frame, 'ack');
    if (ack === undefined) continue;
    if (acks.has(ack)) throw new Error(`ack ${ack} a second time`);
    acks.add(ack);
  }
}

function checkReceipts(
  life: Life,
  frames: readonly ServerFrame[],
  sent: readonly ReadFrame[],
  isRefused: boolean,
): void {
  const got = frames.filter(({ command }) => command === 'RECEIPT').map((frame) => header(frame, 'receipt-id'));
  const asking = sent.filter(({ command }) => command !== 'CONNECT' && command !== 'STOMP');
  const last = asking.findIndex(({ command }) => command === 'DISCONNECT');
  const asked = asking
    .slice(0, last < 0 ? asking.length : last + 1)
    .map(({ headers }) => valueOf(headers, 'receipt'))
    .filter((receipt) => receipt !== undefined);
  const isPrefix = got.every((receipt, k) => receipt === asked[k]);
  if (!isPrefix) throw new Error(`receipts ${JSON.stringify(got)} for ${JSON.stringify(asked)}`);
  const { connection } = life.client;
  const isOver = connection.closedWith?.code === 'client-disconnected';
  const wasCut = connection.calls.includes('destroy');
  const isAnswered = (isOver && !wasCut) || (life.wasOpen && !isRefused && !connection.isPaused);
  if (isAnswered && got.length !== asked.length)
    throw new Error(`receipts missing: ${JSON.stringify(got)} for ${JSON.stringify(asked)}`);
  const error = frames.find(({ command }) => command === 'ERROR');
  const refused = header(error, 'receipt-id');
  const ofConnect = sent.filter((frame) => !asking.includes(frame)).map(({ headers }) => valueOf(headers, 'receipt'));
  if (refused !== undefined && refused !== asked[got.length] && !ofConnect.includes(refused))
    throw new Error(`ERROR for receipt ${refused}, wants ${String(asked[got.length])}`);
}

function valueOf(headers: readonly (readonly [string, string])[], name: string): string | undefined {
  return headers.find(([each]) => each === name)?.[1];
}
