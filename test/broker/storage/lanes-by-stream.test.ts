import t from 'tap';
import { lanesByStream } from '../../../broker/storage/lanes-by-stream.js';
import { BrokerFixture } from '../../helpers/broker-fixture.js';
import { ScriptedStore } from '../../helpers/scripted-store.js';
import type { StoredLane, StoredRecord } from '../../../broker/ports.js';

function lane(stream: string, priority: number): StoredLane {
  return { stream, priority, messages: 1, bytes: 1, markedSequence: 0 };
}

t.test('lanes are found by their stream, wherever they stand', (t) => {
  const lanes = [lane('a', 9), lane('b', 4), lane('a', 0)];
  t.strictSame(
    [...lanesByStream(lanes)],
    [
      ['a', [lane('a', 9), lane('a', 0)]],
      ['b', [lane('b', 4)]],
    ],
  );
  t.end();
});

/** How often a broker that starts looks at what its store holds: so many queues, and as many durable subscriptions. */
async function looksAt(streams: number): Promise<number> {
  let looks = 0;
  const counted = (stream: string): StoredLane => ({
    ...lane(stream, 4),
    get stream() {
      looks++;
      return stream;
    },
  });
  const lanes: StoredLane[] = [];
  const records: StoredRecord[] = [];
  const durable = { destination: '/topic/t', isShared: false, selector: null, expireAfterMs: 1e9, idleSinceEpochMs: 0 };
  for (let k = 0; k < streams; k++) {
    const key = `durable:${k}`;
    records.push({ key, value: JSON.stringify(durable), expiresEpochMs: 0 });
    lanes.push(counted(key), counted(`queue:/queue/${k}`));
  }
  await BrokerFixture.storing(new ScriptedStore({ lanes, records }));
  return looks;
}

t.test('a start with ten times the streams looks ten times as often, no more', async (t) => {
  t.equal(await looksAt(500), 10 * (await looksAt(50)));
});
