/** Those who stay for the whole of the run, on a straight way to the server: each sees all there is of some kinds of message. */
import { until } from '../helpers/until.js';
import type { Kind, Ledger } from './ledger.js';
import type { Line, LineSpec } from './line.js';
import { BULK_TOPIC, PASSCODE, STEADY_USERS } from './soaked-options.js';
import { TcpLine } from './tcp-line.js';

/** How long what was promised may take on a machine that has other things to do. */
export const DEADLINE_MS = 60_000;
const TEXT = { 'content-type': 'text/plain' };
const BULK_BYTES = 131_072;
const BULK_MESSAGES = 6;

export class Witnesses {
  /** Answers of the responder, which the server has receipted. */
  answered = 0;
  /** Statistics that the broker told the operator, and its events. */
  told = 0;
  readonly #ledger: Ledger;
  readonly #recorder: Line;
  readonly #users: readonly Line[];
  readonly #responder: Line;
  readonly #operator: Line;
  #places = new Map<string, number>();
  readonly #offsets = new Map<string, number>();

  private constructor(ledger: Ledger, lines: readonly Line[]) {
    this.#ledger = ledger;
    const [recorder, responder, operator, ...users] = lines;
    if (recorder === undefined || responder === undefined || operator === undefined)
      throw new Error('witnesses are missing');
    this.#recorder = recorder;
    this.#responder = responder;
    this.#operator = operator;
    this.#users = users;
  }

  static async start(ledger: Ledger, ports: Pick<LineSpec, 'tcpPort' | 'httpPort'>): Promise<Witnesses> {
    const logins = ['boss', 'boss', 'boss', ...STEADY_USERS];
    const lines = logins.map((login) => new TcpLine('1.2', { ...ports, login, passcode: PASSCODE, beatMs: 0 }));
    for (const line of lines) if (!(await line.ready)) throw new Error(`a witness is not let in: ${line.error ?? ''}`);
    const witnesses = new Witnesses(ledger, lines);
    await witnesses.#subscribe();
    return witnesses;
  }

  get lines(): readonly Line[] {
    return [this.#recorder, this.#responder, this.#operator, ...this.#users];
  }

  /** One who has gone is a fault. */
  check(): void {
    for (const line of this.lines) if (line.hasEnded) this.#ledger.fault(`a witness was cut: ${line.error ?? ''}`);
  }

  /** Nothing of the former round is looked at any more. */
  beginRound(): void {
    this.#places = new Map();
  }

  /** Large messages. */
  sendBulk(): void {
    for (let left = BULK_MESSAGES; left > 0; left--) this.send('topic', BULK_TOPIC, 'bulk', BULK_BYTES);
  }

  /** With its RECEIPT awaited by the books. @returns its number */
  send(kind: Kind, destination: string, stream: string, padding = 0): number {
    const { body, number } = this.#ledger.write(kind, stream, null, padding);
    this.#recorder.send(destination, TEXT, body, () => {
      this.#ledger.receipted(number);
    });
    return number;
  }

  /** To nobody. */
  sendNowhere(): void {
    this.#recorder.send('/elsewhere/x', TEXT, 'x');
  }

  /** Everything that was published is with the witnesses. */
  async fence(): Promise<void> {
    const numbers = [this.send('topic', '/topic/fence', 'fence')];
    for (const user of STEADY_USERS) numbers.push(this.send('note', `/user/${user}/queue/notes`, `fence.${user}`));
    await until(
      'the witnesses to have everything',
      () => numbers.every((number) => this.#ledger.isSeen(number)),
      DEADLINE_MS,
    );
    const open = (): boolean => this.#responder.confirmed === this.#responder.written;
    await until('all answers to be receipted', open, DEADLINE_MS);
  }

  leave(): Promise<unknown> {
    return Promise.all(this.lines.map((line) => line.leave()));
  }

  async #subscribe(): Promise<void> {
    const ledger = this.#ledger;
    await subscribed(this.#recorder, '/topic/**', ({ body, header }) => {
      const parsed = ledger.seenOnce(body);
      if (parsed === null) return;
      if (parsed.kind === 'unit' || parsed.kind === 'lasting') return;
      ledger.checkTurn('the recorder', parsed, this.#places, true);
      if (parsed.kind === 'kept') this.#checkOffset(header('destination') ?? '', Number(header('offset')));
    });
    for (const user of this.#users) {
      await subscribed(user, '/user/queue/notes', ({ body }) => {
        const parsed = ledger.seenOnce(body);
        if (parsed !== null) ledger.checkTurn('a user', parsed, this.#places, true);
      });
    }
    await subscribed(this.#responder, '/queue/asked', ({ body, header }) => {
      const parsed = ledger.seenOnce(body);
      const number = header('correlation-id') ?? '';
      if (parsed === null) return;
      this.#responder.send(header('reply-to') ?? '', { ...TEXT, 'correlation-id': number }, 'answer', () => {
        this.answered++;
      });
    });
    for (const topic of ['stats', 'events']) {
      await subscribed(this.#operator, `/topic/$broker/${topic}`, () => {
        this.told++;
      });
    }
    await subscribed(this.#operator, '/topic/$presence/rooms/0', () => {
      this.told++;
    });
  }

  #checkOffset(topic: string, offset: number): void {
    const last = this.#offsets.get(topic) ?? 0;
    if (offset !== last + 1) this.#ledger.fault(`offset ${offset} of ${topic} is behind ${last}`);
    this.#offsets.set(topic, offset);
  }
}

/** Resolves once it is there. */
export function subscribed(
  line: Line,
  destination: string,
  onMessage: (message: { body: string; header: (name: string) => string | undefined }) => void,
): Promise<void> {
  return new Promise((resolve) => {
    line.subscribe(destination, {
      ack: 'auto',
      onMessage,
      onReceipt: () => {
        resolve();
      },
    });
  });
}
