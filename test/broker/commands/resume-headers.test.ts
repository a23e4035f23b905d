import t from 'tap';
import { readResume } from '../../../broker/commands/resume-headers.js';
import { Headers, type Frame } from '../../../protocol/index.js';
import { BrokerFixture } from '../../helpers/broker-fixture.js';
import { header } from '../../helpers/server-frames.js';

function subscribeWith(headers: Readonly<Record<string, string>>): Frame {
  return { command: 'SUBSCRIBE', headers: new Headers(Object.entries(headers)), body: Buffer.alloc(0) };
}

t.test('nothing is asked for without the headers', async (t) => {
  t.equal(readResume(subscribeWith({ id: '1', destination: '/topic/a', epoch: 'x', offset: '1' })), null);
});

t.test('a position, a replay, or both', async (t) => {
  const position = { 'resume-epoch': 'e', 'resume-offset': '12' };
  t.strictSame(readResume(subscribeWith(position)), { position: { epoch: 'e', offset: 12 }, replay: null });
  t.strictSame(readResume(subscribeWith({ ...position, 'resume-offset': ' 0 ', replay: 'last=3' })), {
    position: { epoch: 'e', offset: 0 },
    replay: { kind: 'last', count: 3 },
  });
  for (const [replay, kind] of [
    ['all', 'all'],
    ['last-value', 'last-value'],
  ] as const) {
    t.strictSame(readResume(subscribeWith({ replay })), { position: null, replay: { kind } });
  }
});

t.test('x-stream-offset as RabbitMQ has it; replay goes before it', async (t) => {
  for (const [value, replay] of [
    ['first', { kind: 'all' }],
    ['last', { kind: 'last', count: 1 }],
    ['next', { kind: 'next' }],
    ['offset=40', { kind: 'from', offset: 40 }],
    ['timestamp=1600000000', { kind: 'since', epochMs: 1_600_000_000_000 }],
  ] as const) {
    t.strictSame(readResume(subscribeWith({ 'x-stream-offset': value })), { position: null, replay }, value);
  }
  t.strictSame(readResume(subscribeWith({ 'x-stream-offset': 'first', replay: 'last=2' }))?.replay, {
    kind: 'last',
    count: 2,
  });
});

t.test('a malformed value is refused, naming header, what it got and what it wants', async (t) => {
  const position = { 'resume-epoch': 'e', 'resume-offset': '1' };
  for (const [headers, code, message] of [
    [{ 'resume-epoch': 'e' }, 'header-missing', 'SUBSCRIBE needs a header "resume-offset"'],
    [{ 'resume-offset': '1' }, 'header-missing', 'SUBSCRIBE needs a header "resume-epoch"'],
    [
      { ...position, 'resume-epoch': '' },
      'header-missing',
      'SUBSCRIBE needs a header "resume-epoch", got an empty one',
    ],
    [
      { ...position, 'resume-offset': '-1' },
      'header-invalid',
      'SUBSCRIBE header "resume-offset": got "-1", wants a whole number, 0 or more',
    ],
    [{ ...position, 'resume-offset': '1e3' }, 'header-invalid', 'SUBSCRIBE header "resume-offset": got "1e3", wants'],
    [{ ...position, 'resume-offset': '9'.repeat(16) }, 'header-invalid', 'SUBSCRIBE header "resume-offset": got'],
    [
      { replay: 'last=0' },
      'header-invalid',
      'SUBSCRIBE header "replay": got "last=0", wants last=N, last-value or all',
    ],
    [{ replay: 'last' }, 'header-invalid', 'SUBSCRIBE header "replay": got "last"'],
    [{ replay: '' }, 'header-invalid', 'SUBSCRIBE header "replay": got ""'],
    [
      { 'x-stream-offset': 'offset=x' },
      'header-invalid',
      'SUBSCRIBE header "x-stream-offset": got "offset=x", wants first, last, next, offset=N or timestamp=seconds',
    ],
  ] as const) {
    const client = new BrokerFixture({ history: [{ pattern: '/topic/**' }] }).connect();
    client.subscribe('s', '/topic/a', headers);
    const error = client.frames().find(({ command }) => command === 'ERROR');
    t.equal(header(error, 'code'), code);
    t.equal(header(error, 'message')?.slice(0, message.length), message);
  }
});
