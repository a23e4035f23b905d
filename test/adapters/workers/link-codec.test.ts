import assert from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import {
  HEAD_BYTES,
  LinkError,
  RecordReader,
  RecordType,
  writeRecordHead,
} from '../../../adapters/workers/link-codec.js';
import { check } from '../../helpers/properties.js';

interface SentRecord {
  readonly type: RecordType;
  readonly flag: number;
  readonly number: number;
  readonly payload: Buffer;
}

function encode({ type, flag, number, payload }: SentRecord): Buffer {
  const octets = Buffer.alloc(HEAD_BYTES + payload.length);
  const at = writeRecordHead(octets, 0, { type, flag, number, payloadBytes: payload.length });
  payload.copy(octets, at);
  return octets;
}

function shown({ type, flag, number, payload }: SentRecord): string {
  return `${type} ${flag} ${number} ${payload.toString('hex')}`;
}

/** Records as they were read, those of `data` joined: its flag is on the last piece. */
class Collector {
  readonly records: SentRecord[] = [];
  #pieces: Buffer[] = [];

  onRecord(type: RecordType, flag: number, number: number, payload: Buffer): void {
    if (type === RecordType.data && flag === 0) {
      this.#pieces.push(payload);
      return;
    }
    const whole = Buffer.concat([...this.#pieces, payload]);
    this.#pieces = [];
    this.records.push({ type, flag, number, payload: whole });
  }
}

const RECORD: fc.Arbitrary<SentRecord> = fc.record({
  // Data always with its flag, so that the collector knows where one ends.
  type: fc.constantFrom(RecordType.data, RecordType.write, RecordType.open, RecordType.closed, RecordType.processed),
  flag: fc.constant(1),
  number: fc.nat(2 ** 32 - 1),
  payload: fc.uint8Array({ maxLength: 60 }).map((octets) => Buffer.from(octets)),
});

t.test('records are read as they were written, wherever the stream is cut', async (t) => {
  const property = fc.property(
    fc.array(RECORD, { maxLength: 12 }),
    fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
    (sent, cuts) => {
      const stream = Buffer.concat(sent.map(encode));
      const collector = new Collector();
      const reader = new RecordReader(collector);
      for (let at = 0, k = 0; at < stream.length; k++) {
        const end = at + (cuts[k % cuts.length] ?? 1);
        reader.push(Buffer.from(stream.subarray(at, end)));
        at = end;
      }
      assert.deepEqual(collector.records.map(shown), sent.map(shown));
      assert.equal(reader.readBytes, stream.length, 'every octet is counted once');
    },
  );
  check(t, property, 100);
});

t.test('data is passed on as it comes, everything else whole', async (t) => {
  const seen: [RecordType, number, string][] = [];
  const reader = new RecordReader({
    onRecord: (type, flag, _number, payload) => seen.push([type, flag, payload.toString()]),
  });
  const [data, write] = [RecordType.data, RecordType.write].map((type) =>
    encode({ type, flag: 1, number: 7, payload: Buffer.from('abcdef') }),
  ) as [Buffer, Buffer];
  reader.push(data.subarray(0, HEAD_BYTES + 2));
  t.strictSame(seen.splice(0), [[RecordType.data, 0, 'ab']]);
  t.equal(reader.readBytes, HEAD_BYTES + 2);
  reader.push(Buffer.concat([data.subarray(HEAD_BYTES + 2), write.subarray(0, HEAD_BYTES + 2)]));
  t.strictSame(seen.splice(0), [[RecordType.data, 1, 'cdef']]);
  reader.push(write.subarray(HEAD_BYTES + 2));
  t.strictSame(seen, [[RecordType.write, 1, 'abcdef']]);
});

t.test('what is no record is refused', async (t) => {
  for (const head of [
    { type: 0, payloadBytes: 0 },
    { type: 99, payloadBytes: 0 },
    { type: RecordType.write, payloadBytes: 2 ** 31 },
  ]) {
    const octets = Buffer.alloc(HEAD_BYTES);
    writeRecordHead(octets, 0, { flag: 0, number: 1, ...head, type: head.type as RecordType });
    const reader = new RecordReader({ onRecord: () => t.fail('handed on') });
    t.throws(() => {
      reader.push(octets);
    }, LinkError);
  }
});
