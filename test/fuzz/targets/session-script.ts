/**
 * What clients do to a broker, as octets: records with RS between them, each a letter and what it says. A to C: that client
 * writes the rest (`$A` is the last ack id it has heard); a to c: and a turn ends. x to z: it vanishes; f to h: it stops
 * reading; F to H: it reads on; t and a number: so many ms pass. A client that is gone comes anew when it writes.
 */
import { BrokerFixture, frameText, type FixtureClient } from '../../helpers/broker-fixture.js';
import type { SeededRandom } from '../../helpers/seeded-random.js';
import { split } from '../guided/mutate.js';
import { ACKS, COMMANDS, DESTINATIONS, EXTRA, IDS, SCRIPT_OPTIONS } from './session-words.js';

export const RECORD_SEPARATOR = 0x1e;
const MAX_ADVANCE_MS = 30_000;

/** One connection from its beginning to its end. */
export interface Life {
  readonly client: FixtureClient;
  /** What the client wrote while the server was still reading. */
  readonly written: Buffer[];
  /** What the server wrote. */
  readonly received: Buffer[];
  /** The client went; the server did not end it. */
  hasLeft: boolean;
  /** How it stood when the script was over. */
  wasOpen: boolean;
}

export interface Played {
  readonly fixture: BrokerFixture;
  readonly lives: readonly Life[];
}

/** How what a client writes arrives. */
export type Cut = (octets: Buffer) => readonly Buffer[];

export const WHOLE: Cut = (octets) => [octets];

/** Everybody has left at the end, and the turn is over. */
export function play(script: Buffer, cut: Cut): Played {
  const player = new Player(cut);
  for (const record of split(script, { separator: RECORD_SEPARATOR })) player.play(record);
  player.end();
  return player;
}

class Player implements Played {
  readonly fixture = new BrokerFixture(SCRIPT_OPTIONS);
  readonly lives: Life[] = [];
  readonly #current: (Life | undefined)[] = [];
  readonly #lastAck: string[] = [];
  readonly #cut: Cut;

  constructor(cut: Cut) {
    this.#cut = cut;
  }

  play(record: Buffer): void {
    const letter = String.fromCharCode(record[0] ?? 0);
    const at = (letters: string): number => (letter === '' ? -1 : letters.indexOf(letter));
    if (at('ABC') >= 0) this.#write(at('ABC'), record.subarray(1));
    else if (at('abc') >= 0) {
      this.#write(at('abc'), record.subarray(1));
      this.#turn();
    } else if (at('xyz') >= 0) this.#leave(this.#current[at('xyz')]);
    else if (at('fgh') >= 0) this.#current[at('fgh')]?.client.connection.freeze();
    else if (at('FGH') >= 0) this.#current[at('FGH')]?.client.connection.thaw();
    else if (letter === 't') {
      const ms = Number(record.toString('latin1', 1));
      if (ms > 0) this.fixture.clock.advance(Math.min(MAX_ADVANCE_MS, ms));
      this.#turn();
    }
  }

  end(): void {
    this.#turn();
    for (const life of this.lives) {
      life.client.connection.thaw();
      this.#turn();
      life.wasOpen = !life.hasLeft && !life.client.isGone && !this.#isEnding(life);
    }
    for (const life of this.lives) this.#leave(life);
    this.#turn();
  }

  #write(k: number, octets: Buffer): void {
    let life = this.#current[k];
    if (life === undefined || life.client.isGone) {
      life = { client: this.fixture.open(), written: [], received: [], hasLeft: false, wasOpen: false };
      this.#current[k] = life;
      this.lives.push(life);
    }
    const text = octets.toString('latin1');
    const said = text.includes('$A') ? Buffer.from(text.replaceAll('$A', this.#lastAck[k] ?? '1-1'), 'latin1') : octets;
    if (!this.#isEnding(life)) life.written.push(said);
    for (const piece of this.#cut(said)) life.client.send(Buffer.from(piece));
  }

  #isEnding({ client }: Life): boolean {
    return client.connection.closedWith !== null;
  }

  #leave(life: Life | undefined): void {
    if (life === undefined || life.client.isGone) return;
    if (!this.#isEnding(life)) life.hasLeft = true;
    life.client.connection.vanish();
    this.#turn();
  }

  #turn(): void {
    this.fixture.clock.turn();
    for (const life of this.lives) {
      const octets = life.client.connection.take();
      if (octets.length === 0) continue;
      life.received.push(octets);
      const ack = /\nack:([^\n]*)/.exec(octets.toString('latin1'))?.[1];
      if (ack !== undefined) this.#lastAck[this.#current.indexOf(life)] = ack;
    }
  }
}

/** A script by the grammar. */
export function script(random: SeededRandom): Buffer {
  const records = ['a', 'b'].map((client) => client + connect(random));
  for (let k = random.between(2, 12); k > 0; k--) records.push(record(random));
  return Buffer.from(records.join(String.fromCharCode(RECORD_SEPARATOR)));
}

function record(random: SeededRandom): string {
  if (random.chance(0.06)) return `t${random.pick([50, 150, 1_000, 20_000])}`;
  if (random.chance(0.06)) return random.pick(['x', 'y', 'z', 'f', 'F', 'g', 'G']);
  return random.pick(['a', 'a', 'b', 'b', 'A', 'B', 'c']) + frame(random);
}

function connect(random: SeededRandom): string {
  const login = random.chance(0.5) ? { login: random.pick(['ann', 'bob', 'a/b']) } : {};
  return frameText('CONNECT', {
    'accept-version': random.pick(['1.0', '1.1', '1.2', '1.0,1.1,1.2']),
    host: 'h',
    ...login,
  });
}

let receipts = 0;

function frame(random: SeededRandom): string {
  const command = random.pick(COMMANDS);
  const isAck = command === 'ACK' || command === 'NACK';
  const headers: Record<string, string> = {};
  if (random.chance(0.9)) headers['destination'] = random.pick(DESTINATIONS);
  if (random.chance(0.85)) headers['id'] = isAck && random.chance(0.8) ? '$A' : random.pick(IDS);
  if (isAck && random.chance(0.3)) Object.assign(headers, { 'message-id': '$A', subscription: random.pick(IDS) });
  if (random.chance(0.4)) headers['ack'] = random.pick(ACKS);
  if (/BEGIN|COMMIT|ABORT/.test(command)) headers['transaction'] = random.pick(['t', 'u']);
  if (random.chance(0.4)) headers['receipt'] = `r${++receipts % 1_000}`;
  for (let k = random.between(0, 2); k > 0; k--) {
    const [name, value] = random.pick(EXTRA);
    headers[name] = value;
  }
  return frameText(command, headers, command === 'SEND' ? random.pick(['', 'xy', 'longer than two']) : '');
}

export const SCRIPT_WORDS: readonly string[] = [
  ...new Set([...COMMANDS, ...DESTINATIONS, ...ACKS]),
  ...EXTRA.map(([name, value]) => `${name}:${value}\n`),
  'receipt:r\n',
  'id:$A\n',
  'message-id:$A\n',
  'transaction:t\n',
  '\n\n',
  '\0',
];
