/**
 * What the server says to one client of its own: CONNECTED, RECEIPT, ERROR, and messages to this session alone. With whoever
 * looks at frames on their way out.
 */
import { formatHeartBeat, Headers, serializeFrame } from '../../protocol/index.js';
import { errorFrame, type Refusal } from '../error-frame.js';
import { WriteUnit } from '../storage/write-unit.js';
import type { Welcome } from '../commands/command-context.js';
import type { DeliveryHead } from '../delivery.js';
import type { Message } from '../message.js';
import type { OwnSession } from './own-session.js';

type HeaderList = readonly (readonly [name: string, value: string])[];

/** Of messages that a person may read. */
export const PLAIN_TEXT: [string, string] = ['content-type', 'text/plain;charset=UTF-8'];

const NO_BODY = Buffer.alloc(0);
const HEART_BEAT = Buffer.from('\n');

export function sendConnected(session: OwnSession, { version, principal, requestId }: Welcome): void {
  const { heartBeat, serverHeader } = session.environment.options;
  const headers: [string, string][] = [
    ['version', version],
    ['heart-beat', formatHeartBeat(version === '1.0' ? { sendMs: 0, receiveMs: 0 } : heartBeat)],
    ['session', session.id],
  ];
  if (serverHeader !== false) headers.push(['server', serverHeader]);
  // CONNECTED has no escapes: a name that would need one is left out rather than let break the frame.
  if (principal.name !== null && !/[\r\n\0]/.test(principal.name)) headers.push(['user-name', principal.name]);
  if (requestId !== undefined) headers.push(['response-id', requestId]);
  sendIntercepted(session, 'CONNECTED', headers);
}

/** At once: FrameEffects keeps their order. @param also more headers of it */
export function sendReceipt(session: OwnSession, receiptId: string, also: HeaderList): void {
  sendIntercepted(session, 'RECEIPT', [['receipt-id', receiptId], ...also]);
}

/** @param refused headers of the frame that is refused */
export function sendError(session: OwnSession, refusal: Refusal, refused: Headers | undefined): void {
  session.environment.stats.errorsSent++;
  const { headers, body } = errorFrame(refusal, refused);
  send(session, 'ERROR', headers, body);
}

/** One LF. */
export function sendHeartBeat(session: OwnSession): void {
  session.outbox.enqueueControl(HEART_BEAT);
}

/** A message to this session alone, where it may have subscribed under `/user`. @param rest behind that prefix */
export function tell(session: OwnSession, rest: string, headers: readonly [string, string][], body: string): void {
  const { journal, publisher } = session.environment;
  const unit = new WriteUnit(journal);
  publisher.tell(session.id, rest, headers, Buffer.from(body), unit);
  unit.submit()?.catch((error: unknown) => logInternal(session, error));
}

/** What the outbound interceptors make of a MESSAGE; null: it is not written. */
export function interceptMessage(session: OwnSession, head: DeliveryHead, message: Message): Message | Buffer | null {
  const { outbound, tap } = session.environment;
  if (!outbound.isActive) {
    tap?.delivered(session, head, message);
    return message;
  }
  const octets = outbound.passMessage(head, message, session);
  if (octets !== null) tap?.sent(session, octets);
  return octets;
}

/** An error that is nobody's refusal. @returns the id that it is logged under */
export function logInternal({ id, environment }: OwnSession, error: unknown): string {
  const errorId = environment.createId();
  environment.logger.error({ session: id, errorId, err: error }, 'internal error');
  return errorId;
}

function sendIntercepted(session: OwnSession, command: 'CONNECTED' | 'RECEIPT', headers: HeaderList): void {
  const { outbound } = session.environment;
  if (!outbound.isActive) {
    send(session, command, headers);
    return;
  }
  const frame = outbound.pass({ command, headers: new Headers(headers), body: NO_BODY }, session);
  if (frame !== null) send(session, command, frame.headers);
}

function send(
  session: OwnSession,
  command: 'CONNECTED' | 'RECEIPT' | 'ERROR',
  headers: Iterable<readonly [string, string]>,
  body?: Buffer,
): void {
  const { logger, tracesFrames } = session.environment;
  if (tracesFrames) logger.debug({ session: session.id, command, headers: [...headers] }, 'frame sent');
  session.outbox.enqueueControl(serializeFrame(command, headers, session.version, body));
}
