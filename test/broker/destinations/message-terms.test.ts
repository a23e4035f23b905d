import t from 'tap';
import { DEFAULT_TERMS, readTerms } from '../../../broker/destinations/message-terms.js';
import { Headers } from '../../../protocol/index.js';

const NOW = 1_000_000;

function read(headers: Readonly<Record<string, string>>) {
  return readTerms(new Headers(Object.entries(headers)), NOW);
}

t.test('without headers the terms are the default ones', async (t) => {
  t.equal(readTerms(null, NOW), DEFAULT_TERMS);
  t.strictSame(read({ destination: '/queue/q', other: 'x' }), { ...DEFAULT_TERMS });
});

t.test('of several times to live the shortest holds; 0 in expires is never', async (t) => {
  const end = (headers: Readonly<Record<string, string>>): number => read(headers).expiresEpochMs;
  t.equal(end({ expires: '0' }), 0);
  t.equal(end({ expires: '5' }), 5);
  t.equal(end({ expiration: '50' }), NOW + 50);
  t.equal(end({ 'x-message-ttl': ' 60 ' }), NOW + 60);
  t.equal(end({ expires: String(NOW + 55), expiration: '50', 'x-message-ttl': '60' }), NOW + 50);
  t.equal(end({ expires: '0', expiration: '0' }), NOW);
});

t.test('of several delays the longest holds', async (t) => {
  t.equal(read({ AMQ_SCHEDULED_DELAY: '0' }).notBeforeEpochMs, 0);
  t.equal(read({ AMQ_SCHEDULED_DELAY: '10', AMQ_SCHEDULED_TIME: String(NOW + 5) }).notBeforeEpochMs, NOW + 10);
});

t.test('a value that does not fit is refused, naming its header', async (t) => {
  for (const [name, value] of [
    ['priority', '10'],
    ['priority', '-1'],
    ['priority', ''],
    ['expires', 'never'],
    ['expiration', '1.5'],
    ['x-message-ttl', '1e3'],
    ['AMQ_SCHEDULED_DELAY', '9'.repeat(16)],
    ['AMQ_SCHEDULED_CRON', '* * * * *'],
  ] as const) {
    t.throws(() => read({ [name]: value }), { code: 'header-invalid', message: new RegExp(`header "${name}": got`) });
  }
});
