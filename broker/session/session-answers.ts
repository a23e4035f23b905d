/**
 * What the server says to one client of its own: CONNECTED, RECEIPT, ERROR, and messages to this session alone. With whoever
 * looks at frames on their way out.
 */
import { formatHeartBeat, Headers, serializeFrame } from '../../protocol/index.js';
import { errorFrame, type Refusal } from '../error-frame.js';
import { WriteUnit } from '../storage/write-unit.js';
import type { SessionHandle } from '../application/session-handle.js';
import type { Welcome } from '../commands/command-context.js';
import type { DeliveryHead } from '../delivery.js';
import type { Message } from '../message.js';
import type { Outbox } from '../outbox.js';
import type { SessionEnvironment } from '../session-environment.js';

type HeaderList = readonly (readonly [name: string, value: string])[];

/** Of messages that a person may read. */
export const PLAIN_TEXT: [string, string] = ['content-type', 'text/plain;charset=UTF-8'];

const NO_BODY = Buffer.alloc(0);
const HEART_BEAT = Buffer.from('\n');

export class SessionAnswers {
  readonly #session: SessionHandle;
  readonly #outbox: Outbox;
  readonly #environment: SessionEnvironment;

  constructor(session: SessionHandle, outbox: Outbox, environment: SessionEnvironment) {
    this.#session = session;
    this.#outbox = outbox;
    this.#environment = environment;
  }

  connected({ version, principal, requestId }: Welcome): void {
    const { heartBeat, serverHeader } = this.#environment.options;
    const headers: [string, string][] = [
      ['version', version],
      ['heart-beat', formatHeartBeat(version === '1.0' ? { sendMs: 0, receiveMs: 0 } : heartBeat)],
      ['session', this.#session.id],
    ];
    if (serverHeader !== false) headers.push(['server', serverHeader]);
    // CONNECTED has no escapes: a name that would need one is left out rather than let break the frame.
    if (principal.name !== null && !/[\r\n\0]/.test(principal.name)) headers.push(['user-name', principal.name]);
    if (requestId !== undefined) headers.push(['response-id', requestId]);
    this.#sendIntercepted('CONNECTED', headers);
  }

  /** At once: who keeps their order is FrameEffects. @param also more headers of it */
  receipt(receiptId: string, also: HeaderList): void {
    this.#sendIntercepted('RECEIPT', [['receipt-id', receiptId], ...also]);
  }

  /** @param refused headers of the frame that is refused */
  error(refusal: Refusal, refused: Headers | undefined): void {
    this.#environment.stats.errorsSent++;
    const { headers, body } = errorFrame(refusal, refused);
    this.#send('ERROR', headers, body);
  }

  /** One LF. */
  heartBeat(): void {
    this.#outbox.enqueueControl(HEART_BEAT);
  }

  /** A message to this session alone, where it may have subscribed under `/user`. @param rest behind that prefix */
  tell(rest: string, headers: readonly [string, string][], body: string): void {
    const { journal, publisher } = this.#environment;
    const unit = new WriteUnit(journal);
    publisher.tell(this.#session.id, rest, headers, Buffer.from(body), unit);
    unit.submit()?.catch((error: unknown) => this.logInternal(error));
  }

  /** What the outbound interceptors make of a MESSAGE; null: it is not written. */
  intercept(head: DeliveryHead, message: Message): Message | Buffer | null {
    const { outbound, tap } = this.#environment;
    if (!outbound.isActive) {
      tap?.delivered(this.#session, head, message);
      return message;
    }
    const octets = outbound.passMessage(head, message, this.#session);
    if (octets !== null) tap?.sent(this.#session, octets);
    return octets;
  }

  /** An error that is nobody's refusal. @returns the id that it is logged under */
  logInternal(error: unknown): string {
    const errorId = this.#environment.createId();
    this.#environment.logger.error({ session: this.#session.id, errorId, err: error }, 'internal error');
    return errorId;
  }

  #sendIntercepted(command: 'CONNECTED' | 'RECEIPT', headers: HeaderList): void {
    const { outbound } = this.#environment;
    if (!outbound.isActive) {
      this.#send(command, headers);
      return;
    }
    const frame = outbound.pass({ command, headers: new Headers(headers), body: NO_BODY }, this.#session);
    if (frame !== null) this.#send(command, frame.headers);
  }

  #send(command: 'CONNECTED' | 'RECEIPT' | 'ERROR', headers: Iterable<readonly [string, string]>, body?: Buffer): void {
    const { logger, tracesFrames } = this.#environment;
    if (tracesFrames) logger.debug({ session: this.#session.id, command, headers: [...headers] }, 'frame sent');
    this.#outbox.enqueueControl(serializeFrame(command, headers, this.#session.version, body));
  }
}
