import { once } from 'node:events';
import type { Socket } from 'node:net';
import t, { type Test } from 'tap';
import { LINK_VERSION, LinkError, RecordType, writeRecordHead } from '../../../adapters/workers/link-codec.js';
import { Link, UNCOPIED_BYTES, type LinkHandler } from '../../../adapters/workers/link.js';
import { Inbox, inTime } from '../../helpers/inbox.js';
import { socketPair } from '../../helpers/socket-pair.js';

interface Seen {
  readonly type: RecordType;
  readonly number: number;
  readonly text: string;
}

class End implements LinkHandler {
  readonly link: Link;
  readonly records = new Inbox<Seen>();
  readonly ends = new Inbox<{ readonly cause: Error | undefined }>();
  readonly progress = new Inbox<number>();

  constructor(socket: Socket) {
    this.link = new Link(socket, this);
  }

  onRecord(type: RecordType, _flag: number, number: number, payload: Buffer): void {
    this.records.push({ type, number, text: payload.toString('latin1') });
  }

  onProcessed(): void {
    this.progress.push(this.link.processedBytes);
  }

  onFlush(): void {
    // Nothing to add.
  }

  onEnd(cause?: Error): void {
    this.ends.push({ cause });
  }

  /** Resolves once the other end has dealt with everything. */
  async allProcessed(): Promise<void> {
    while (this.link.unprocessedBytes > 0) await this.progress.next('progress');
  }
}

async function ends(t: Test): Promise<readonly [End, End]> {
  const [near, far] = await socketPair(t);
  return [new End(near), new End(far)];
}

t.test('records of every size arrive whole and in order, and the other end tells when it has them', async (t) => {
  const [near, far] = await ends(t);
  const sizes = [0, 1, 100, UNCOPIED_BYTES - 1, UNCOPIED_BYTES, 70_000, 3, 1_000_000, 2];
  const sent = [...sizes, ...sizes, ...sizes].map((size, number) => ({
    type: RecordType.write,
    number,
    text: String(number % 10).repeat(size),
  }));
  for (const { type, number, text } of sent) {
    const octets = Buffer.from(text);
    if (number % 3 === 0) near.link.send(type, 0, number, octets);
    else if (number % 3 === 1) near.link.sendUncopied(type, 0, number, octets);
    else near.link.sendParts(type, 0, number, [octets.subarray(0, 50), octets.subarray(50)]);
  }
  for (const record of sent) {
    const { type, number, text } = await far.records.next('a record');
    t.equal(type, record.type);
    t.equal(number, record.number);
    t.ok(text === record.text, `${text.length} octets`);
  }
  await near.allProcessed();
  t.equal(near.link.processedBytes, near.link.sentBytes);
});

t.test('memory that was copied may be written over at once', async (t) => {
  const [near, far] = await ends(t);
  const small = Buffer.alloc(100, 'a');
  const large = Buffer.alloc(UNCOPIED_BYTES, 'a');
  t.equal(near.link.sendUncopied(RecordType.write, 0, 1, small), false);
  t.equal(near.link.sendUncopied(RecordType.write, 0, 2, large), true, 'the link keeps it');
  near.link.send(RecordType.write, 0, 3, large);
  t.equal(near.link.sendParts(RecordType.write, 0, 4, [small, small]), false);
  small.fill('b');
  const texts = [];
  for (let k = 0; k < 4; k++) texts.push((await far.records.next('a record')).text);
  t.ok(texts.every((text) => /^a+$/.test(text)));
});

t.test('a few octets alone are told as dealt with, and then both ends are still', async (t) => {
  const [near, far] = await ends(t);
  near.link.send(RecordType.data, 0, 1, Buffer.from('\n'));
  await far.records.next('the record');
  await near.allProcessed();
  await far.allProcessed();
  const counts = [near, far].map(({ progress }) => progress.length);
  near.link.flush();
  far.link.flush();
  await new Promise(setImmediate);
  t.strictSame(
    [near, far].map(({ progress }) => progress.length),
    counts,
    'progress is not told about progress',
  );
});

t.test('while one end holds, records wait there in order and are not told as dealt with', async (t) => {
  const [near, far] = await ends(t);
  await near.allProcessed();
  far.link.hold();
  for (let number = 0; number < 100; number++) near.link.send(RecordType.write, 0, number, Buffer.alloc(1_000, 'x'));
  // Sent behind the others and not held: so the others have arrived.
  near.link.send(RecordType.buffered, 0, 7, Buffer.alloc(4));
  t.match(await far.records.next('what is not held'), { type: RecordType.buffered, number: 7 });
  t.equal(far.records.length, 0);
  far.link.flush();
  t.ok(near.link.unprocessedBytes >= 100 * 1_000);
  far.link.release();
  for (let number = 0; number < 100; number++) t.equal((await far.records.next()).number, number);
  await near.allProcessed();
});

t.test('the end of one side is told to the other once', async (t) => {
  const [near, far] = await ends(t);
  near.link.destroy();
  t.equal((await near.ends.next('the own end')).cause, undefined);
  // A reset where something was still on its way; whichever, the other side is gone.
  await far.ends.next('the other end');
  far.link.send(RecordType.write, 0, 1, Buffer.from('into the void'));
  far.link.flush();
  await new Promise(setImmediate);
  t.equal(far.ends.length + near.ends.length, 0);
});

t.test('a side of another version is refused', async (t) => {
  const [near, far] = await socketPair(t);
  const end = new End(near);
  const hello = Buffer.alloc(10);
  writeRecordHead(hello, 0, { type: RecordType.hello, flag: 0, number: LINK_VERSION + 1, payloadBytes: 0 });
  far.resume();
  const closed = once(far, 'close');
  far.write(hello);
  t.match((await end.ends.next('the end')).cause, LinkError);
  await inTime(closed, 'the close');
});
