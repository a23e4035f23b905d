/** One client of a JSON endpoint: text messages on its side, an ordinary session on the broker's. */
import { closeReason, type CloseReason } from '../../../broker/close-reason.js';
import { BrokerError } from '../../../broker/errors.js';
import type { Connection, ConnectionListener, Handshake } from '../../../broker/ports.js';
import type { GatewayHost } from '../gateway.js';
import { type GatewayMessage, GatewaySession } from '../gateway-session.js';
import type { ResolvedJsonGatewayOptions } from './json-options.js';
import { InvalidMessage, type JsonAction, type JsonClient, type JsonRefusal } from './json-mapping.js';

/** What the gateway counts. */
export interface JsonCounts {
  received: number;
  sent: number;
  refused: number;
}

const TOO_MANY_ERRORS: CloseReason = { code: 'refused', webSocketStatus: 1008, text: 'Too many errors' };
const NOT_LET_IN: CloseReason = { code: 'refused', webSocketStatus: 1008, text: 'Not authenticated' };
type Message = Readonly<Record<string, unknown>>;

const NOT_JSON: JsonRefusal = { code: 'invalid-json', text: 'A message is one JSON object', message: null };

/** What has come and is not dealt with: a message, or what was refused at once. */
type Arrival = { readonly message: Message } | { readonly refusal: JsonRefusal };

/** Messages that wait while one before them is dealt with; more is a flood, though the socket is paused meanwhile. */
const MAX_WAITING = 256;

export class JsonSession implements ConnectionListener {
  readonly #options: ResolvedJsonGatewayOptions;
  readonly #host: GatewayHost;
  readonly #outer: Connection;
  readonly #inner: GatewaySession;
  readonly #handshake: Handshake | null;
  readonly #counts: JsonCounts;
  readonly #onGone: (session: JsonSession) => void;
  #client: JsonClient | null = null;
  /** In the order they came, refusals among them, so that answers keep it. */
  #waiting: Arrival[] = [];
  #isBusy = false;
  #isGone = false;
  #errors = 0;
  #lastErrorMs = 0;
  #lastHeardMs: number;
  #lastProbeMs: number;

  constructor(
    options: ResolvedJsonGatewayOptions,
    host: GatewayHost,
    { outer, handshake }: { readonly outer: Connection; readonly handshake: Handshake | null },
    parts: { readonly counts: JsonCounts; readonly onGone: (session: JsonSession) => void },
  ) {
    this.#options = options;
    this.#host = host;
    this.#outer = outer;
    this.#counts = parts.counts;
    this.#onGone = parts.onGone;
    this.#handshake = handshake;
    const nowMs = host.clock.nowMs();
    this.#lastHeardMs = this.#lastProbeMs = nowMs;
    this.#inner = new GatewaySession(host, outer, this.#handshake, {
      onMessage: (message) => {
        this.#onMessage(message);
      },
      onEnd: (error) => {
        this.#tell(options.mapping.refused(this.#refusalOf(error, null), this.#client));
      },
    });
  }

  /** Errors of the client that are not forgotten yet. */
  get errorCount(): number {
    return this.#errors;
  }

  /** @param isKnown whether the handshake has shown who the client is @returns false when the broker is full */
  start(isKnown: boolean): boolean {
    if (!this.#inner.open()) return false;
    if (isKnown) {
      // A client may speak as soon as it is open, which is before the broker has answered: that waits.
      this.#isBusy = true;
      void this.#logIn([]).then(() => this.#work());
    } else {
      this.#tell(this.#options.mapping.lateLogin?.required());
    }
    return true;
  }

  onBytes(chunk: Buffer): void {
    this.#lastHeardMs = this.#host.clock.nowMs();
    this.#counts.received++;
    this.#waiting.push(this.#arrivalOf(chunk));
    if (this.#waiting.length > MAX_WAITING) this.#closeFor(TOO_MANY_ERRORS);
    else if (!this.#isBusy) void this.#work();
  }

  onDrain(): void {
    this.#inner.onDrain();
  }

  onClose(cause?: Error): void {
    this.#isGone = true;
    this.#waiting = [];
    this.#inner.onClose(cause);
    this.#onGone(this);
  }

  /** To be called about once a second. */
  check(nowMs: number): void {
    const { pingIntervalMs, timeoutMs, errorResetMs } = this.#options;
    if (this.#errors > 0 && nowMs - this.#lastErrorMs >= errorResetMs) this.#errors = 0;
    if (this.#outer.probe === undefined || pingIntervalMs === 0) return;
    if (timeoutMs > 0 && nowMs - this.#lastHeardMs >= timeoutMs) {
      this.#outer.destroy(closeReason('heart-beat-timeout'));
      this.onClose(new Error('no answer to a ping in time'));
    } else if (nowMs - this.#lastProbeMs >= pingIntervalMs) {
      this.#lastProbeMs = nowMs;
      this.#outer.probe(() => {
        this.#lastHeardMs = this.#host.clock.nowMs();
      });
    }
  }

  #arrivalOf(chunk: Buffer): Arrival {
    const retryAfterMs = this.#inner.admit(chunk.length);
    if (retryAfterMs > 0) {
      return { refusal: { code: 'rate-limited', text: 'Too many messages', message: null, retryAfterMs } };
    }
    const message = parseObject(chunk);
    return message === null ? { refusal: NOT_JSON } : { message };
  }

  /** One message at a time, in order. */
  async #work(): Promise<void> {
    this.#isBusy = true;
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      if ('refusal' in next) {
        this.#refuse(next.refusal);
        continue;
      }
      try {
        await this.#handle(next.message);
      } catch (error) {
        this.#refuse(this.#refusalOf(error, next.message));
      }
    }
    this.#isBusy = false;
  }

  async #handle(message: Readonly<Record<string, unknown>>): Promise<void> {
    const { mapping } = this.#options;
    if (this.#client === null) {
      const token = mapping.lateLogin?.token(message);
      if (token === undefined) throw new BrokerError('not-connected', 'The first message has to say who you are');
      await this.#logIn([['Authorization', `Bearer ${token}`]]);
      return;
    }
    const meant = await mapping.receive(message, this.#client);
    for (const action of 'type' in meant ? [meant] : meant) await this.#act(action);
  }

  async #act(action: JsonAction): Promise<void> {
    if (action.type === 'reply') {
      this.#tell(action.message);
      return;
    }
    await this.#inner.act(action);
    this.#tell(action.then);
  }

  async #logIn(headers: readonly (readonly [string, string])[]): Promise<void> {
    const { mapping } = this.#options;
    try {
      const session = await this.#inner.connect(headers);
      const client = { user: session.user ?? { name: null, roles: [] }, session, handshake: this.#handshake };
      this.#client = client;
      if (headers.length > 0) this.#tell(mapping.lateLogin?.accepted(client));
      this.#tell(mapping.opened?.(client));
      await this.#inner.subscribeAll(mapping.subscriptions?.(client) ?? [], (error) => {
        this.#refuse(this.#refusalOf(error, null));
      });
    } catch (error) {
      if (this.#isGone) return;
      const refusal = this.#refusalOf(error, null);
      this.#tell(headers.length > 0 ? mapping.lateLogin?.failed(refusal.text) : mapping.refused(refusal, null));
      this.#outer.close(NOT_LET_IN);
    }
  }

  #onMessage(message: GatewayMessage): void {
    if (this.#client !== null) this.#tell(this.#options.mapping.render(message, this.#client));
  }

  #refusalOf(error: unknown, message: JsonRefusal['message']): JsonRefusal {
    if (error instanceof InvalidMessage) return { code: 'invalid-message', text: error.message, message };
    if (error instanceof BrokerError) {
      return { code: error.code, text: error.message, message, retryAfterMs: error.retryAfterMs };
    }
    // What `encodeURIComponent` throws: half of a character cannot stand in a destination.
    if (error instanceof URIError) return { code: 'invalid-message', text: 'A text is no Unicode', message };
    this.#host.logger.error({ err: error }, 'a JSON mapping failed');
    return { code: 'internal', text: 'Internal error', message };
  }

  #refuse(refusal: JsonRefusal): void {
    if (this.#isGone) return;
    this.#counts.refused++;
    this.#errors++;
    this.#lastErrorMs = this.#host.clock.nowMs();
    this.#host.logger.debug({ session: this.#client?.session.id, code: refusal.code }, refusal.text);
    this.#tell(this.#options.mapping.refused(refusal, this.#client));
    const { maxErrors } = this.#options;
    if (maxErrors !== false && this.#errors > maxErrors) this.#closeFor(TOO_MANY_ERRORS);
  }

  #closeFor(reason: CloseReason): void {
    this.#tell(this.#options.mapping.closing?.(reason.text));
    this.#waiting = [];
    this.#outer.close(reason);
  }

  #tell(message: unknown): void {
    if (message === undefined || this.#isGone) return;
    this.#counts.sent++;
    const { framing } = this.#outer;
    const text = Buffer.from(JSON.stringify(message));
    const octets = framing.encode === null ? text : framing.encode(text);
    const target = Buffer.alloc(octets.length + framing.maxOverheadBytes);
    const at = framing.open(target, 0, octets.length, true);
    target.set(octets, at);
    this.#outer.write(target.subarray(0, framing.close(target, at + octets.length)));
  }
}

function parseObject(chunk: Buffer): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(chunk.toString());
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}
