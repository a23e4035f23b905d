/**
 * What becomes of an error: the client is told once, in one ERROR frame behind which the session ends (STOMP 1.2, ERROR); or
 * softly, where the session may go on (DESIGN D9), as long as that does not happen too often.
 */
import { canBeSoft, describeRefusal, retryHeaders, type Refusal } from '../error-frame.js';
import { logInternal, PLAIN_TEXT, sendError, tell } from './session-answers.js';
import type { Frame } from '../../protocol/index.js';
import type { CloseCode } from '../close-reason.js';
import type { OwnSession } from './own-session.js';

export class SessionRefusals {
  readonly #session: OwnSession;
  /** Soft ones within the window that began then. */
  #soft = 0;
  #softSinceMs = 0;

  constructor(session: OwnSession) {
    this.#session = session;
  }

  /**
   * @param frame that the error is about, when it is about one
   * @param isConnected before CONNECTED nothing is soft
   * @returns how the session is to end; null: it goes on
   */
  tell(error: unknown, frame: Frame | undefined, isConnected: boolean): CloseCode | null {
    const refusal = this.#describe(error);
    this.report(refusal, frame);
    const { connection, environment } = this.#session;
    const isKept = connection.keepsAfterError === true;
    const isSoftAllowed = isKept || environment.options.refusals === 'soft';
    const mayLive = isSoftAllowed && isConnected && canBeSoft(refusal, isKept);
    const isSoft = mayLive && !this.#isTooOften();
    if (isSoft && !isKept) {
      this.#tellSoftly(refusal, frame?.headers.get('receipt'));
      return null;
    }
    sendError(this.#session, refusal, frame?.headers);
    return isSoft ? null : refusal.closeCode;
  }

  /** However refusals are told. @returns how the session is to end */
  tellLast(error: unknown): CloseCode {
    const refusal = this.#describe(error);
    this.report(refusal);
    sendError(this.#session, refusal, undefined);
    return refusal.closeCode;
  }

  /** Counts and logs one; the client is told by others, or cannot be. */
  report({ code, message }: Pick<Refusal, 'code' | 'message'>, frame?: Frame): void {
    const { id: session, connection, environment } = this.#session;
    const { remoteAddress, transport } = connection;
    const { stats, logger } = environment;
    stats.countRefusal(code);
    if (code === 'login-limited') stats.loginsLimited++;
    logger.warn({ session, remoteAddress, transport, code, command: frame?.command }, message);
  }

  #describe(error: unknown): Refusal {
    return describeRefusal(error, (unknown) => logInternal(this.#session, unknown));
  }

  /** Whether the client has been told often enough. */
  #isTooOften(): boolean {
    const { maxRefusals, refusalWindowMs } = this.#session.environment.options.quotas;
    if (maxRefusals === 0) return false;
    const nowMs = this.#session.environment.clock.nowMs();
    if (nowMs - this.#softSinceMs >= refusalWindowMs) this.#soft = 0;
    if (this.#soft++ === 0) this.#softSinceMs = nowMs;
    return this.#soft > maxRefusals;
  }

  /** The connection lives; the client is told where it may have subscribed. */
  #tellSoftly({ code, text, retryAfterMs }: Refusal, receiptId: string | undefined): void {
    const headers: [string, string][] = [['code', code], ...retryHeaders({ retryAfterMs }), PLAIN_TEXT];
    if (receiptId !== undefined) headers.push(['receipt-id', receiptId]);
    tell(this.#session, '/queue/errors', headers, text);
  }
}
