import t from 'tap';
import { WriteUnit } from '../../../broker/storage/write-unit.js';
import { DeadLetters } from '../../../broker/destinations/dead-letters.js';
import { BrokerError } from '../../../broker/errors.js';
import { Message } from '../../../broker/message.js';
import { recordingLogger, type LogLine } from '../../../adapters/testing/recorded-log.js';
import { BrokerStats } from '../../../broker/stats.js';

function setUp(publish: (destination: string, message: Message) => void, hasRoom = () => true) {
  const stats = new BrokerStats();
  let id = 100;
  const log: LogLine[] = [];
  const parts = { stats, nextMessageId: () => ++id, logger: recordingLogger(log, 'info'), hasRoom: () => hasRoom() };
  return { stats, log, letters: new DeadLetters({ ...parts, publish }) };
}

function message(headers: Readonly<Record<string, string>> = {}): Message {
  return Message.fromHeaders(1, Object.entries({ destination: '/queue/q', ...headers }), Buffer.from('body'));
}

t.test('a dead letter is a new message with its origin and the reason; timing is left out', async (t) => {
  const sent: Message[] = [];
  const { stats, letters } = setUp((_destination, letter) => sent.push(letter));
  const headers = {
    priority: '9',
    expires: '5',
    expiration: '5',
    'x-message-ttl': '5',
    AMQ_SCHEDULED_DELAY: '5',
    'original-destination': '/queue/earlier',
    kept: 'yes',
  };
  letters.giveUp(
    { message: message(headers), deliveryCount: 3 },
    '/queue/q',
    'max-deliveries',
    '/queue/DLQ',
    new WriteUnit(null),
  );
  t.equal(sent[0]?.id, 101);
  t.strictSame(
    [...(sent[0]?.decode().headers ?? [])],
    [
      ['destination', '/queue/DLQ'],
      ['original-destination', '/queue/q'],
      ['dead-letter-reason', 'max-deliveries'],
      ['dead-letter-deliveries', '3'],
      ['priority', '9'],
      ['kept', 'yes'],
    ],
  );
  t.equal(sent[0]?.decode().body.toString(), 'body');
  t.match(stats, { givenUp: { 'max-deliveries': 1, rejected: 0 }, deadLettered: 1 });
});

t.test('a letter of a stored message asks to be stored, whatever its sender said', async (t) => {
  const sent: Message[] = [];
  const { letters } = setUp((_destination, letter) => sent.push(letter));
  for (const headers of [{}, { persistent: 'true' }, { persistent: 'false' }]) {
    const stored = message(headers);
    stored.isStored = true;
    const entry = { message: stored, deliveryCount: 1 };
    letters.giveUp(entry, '/queue/q', 'rejected', '/queue/DLQ', new WriteUnit(null));
  }
  for (const letter of sent) {
    const all = [...letter.decode().headers].filter(([name]) => name === 'persistent');
    t.strictSame(all, [['persistent', 'true']]);
  }
  t.equal(sent.length, 3);
});

t.test('without a destination, or with its own, a message is dropped and counted', async (t) => {
  const { stats, letters } = setUp(() => t.fail('nothing is to be published'));
  for (const target of [null, '/queue/q']) {
    letters.giveUp({ message: message(), deliveryCount: 0 }, '/queue/q', 'rejected', target, new WriteUnit(null));
  }
  t.match(stats, { givenUp: { rejected: 2 }, deadLettered: 0 });
});

t.test(
  'a destination that refuses leaves the message where it is, and that is told once; what is no refusal is not hidden',
  async (t) => {
    let isFull = true;
    const { stats, log, letters } = setUp(
      () => {
        if (isFull) throw new BrokerError('queue-full', 'full');
      },
      () => !isFull || stats.deadLettersRefused > 0,
    );
    const giveUp = (): boolean => {
      const unit = new WriteUnit(null);
      const isTaken = letters.giveUp(
        { message: message(), deliveryCount: 0 },
        '/queue/q',
        'overflow',
        '/queue/DLQ',
        unit,
      );
      void unit.submit();
      return isTaken;
    };
    t.strictSame([giveUp(), giveUp()], [false, false], 'as it is known, and as it is said');
    t.match(stats, { givenUp: { overflow: 0 }, deadLettered: 0, deadLettersRefused: 2 });
    t.match(log, [{ level: 'warn', fields: { queue: '/queue/DLQ' } }]);
    isFull = false;
    t.equal(giveUp(), true);
    t.match(stats, { givenUp: { overflow: 1 }, deadLettered: 1, deadLettersRefused: 2 });
    t.equal(log.length, 2);
    const broken = setUp(() => {
      throw new TypeError('a fault of the program');
    });
    const entry = { message: message(), deliveryCount: 0 };
    t.throws(() => broken.letters.giveUp(entry, '/queue/q', 'overflow', '/queue/DLQ', new WriteUnit(null)), TypeError);
  },
);

t.test('a letter whose unit is not stored is none', async (t) => {
  const { stats, letters } = setUp(() => undefined);
  const unit = new WriteUnit(null);
  letters.giveUp({ message: message(), deliveryCount: 1 }, '/queue/q', 'rejected', '/queue/DLQ', unit);
  unit.undoAll(new BrokerError('queue-full', 'full'));
  t.match(stats, { givenUp: { rejected: 0 }, deadLettered: 0, deadLettersRefused: 1 });
});

t.test('queues that dead-letter into one another do so once', async (t) => {
  const published: string[] = [];
  const { stats, letters } = setUp((destination, letter) => {
    published.push(destination);
    const back = destination === '/queue/a' ? '/queue/b' : '/queue/a';
    letters.giveUp({ message: letter, deliveryCount: 0 }, destination, 'overflow', back, new WriteUnit(null));
  });
  letters.giveUp({ message: message(), deliveryCount: 0 }, '/queue/a', 'overflow', '/queue/b', new WriteUnit(null));
  t.strictSame(published, ['/queue/b']);
  t.match(stats, { givenUp: { overflow: 1 }, deadLettered: 1, deadLettersRefused: 1 });
});
