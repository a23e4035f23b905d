import t from 'tap';
import { WriteUnit } from '../../../broker/storage/write-unit.js';
import { DeadLetters } from '../../../broker/destinations/dead-letters.js';
import { BrokerError } from '../../../broker/errors.js';
import { Message } from '../../../broker/message.js';
import { BrokerStats } from '../../../broker/stats.js';

function setUp(publish: (destination: string, message: Message) => void) {
  const stats = new BrokerStats();
  let id = 100;
  return { stats, letters: new DeadLetters({ stats, nextMessageId: () => ++id, publish }) };
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

t.test('a destination that refuses loses the letter; what is no refusal is not hidden', async (t) => {
  const full = setUp(() => {
    throw new BrokerError('queue-full', 'full');
  });
  full.letters.giveUp(
    { message: message(), deliveryCount: 0 },
    '/queue/q',
    'overflow',
    '/queue/DLQ',
    new WriteUnit(null),
  );
  t.match(full.stats, { givenUp: { overflow: 1 }, deadLettered: 0 });
  const broken = setUp(() => {
    throw new TypeError('a fault of the program');
  });
  t.throws(
    () =>
      broken.letters.giveUp(
        { message: message(), deliveryCount: 0 },
        '/queue/q',
        'overflow',
        '/queue/DLQ',
        new WriteUnit(null),
      ),
    TypeError,
  );
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
  t.match(stats, { givenUp: { overflow: 2 }, deadLettered: 1 });
});
