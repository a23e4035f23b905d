import t from 'tap';
import { formatHeartBeat, negotiateHeartBeat, parseHeartBeat } from '../../protocol/index.js';

t.test('C-23 a missing header equals 0,0', async (t) => {
  t.strictSame(parseHeartBeat(undefined), { sendMs: 0, receiveMs: 0 });
});

t.test('two numbers are read, with blanks around them', async (t) => {
  t.strictSame(parseHeartBeat('10,20'), { sendMs: 10, receiveMs: 20 });
  t.strictSame(parseHeartBeat(' 10\t, 20 '), { sendMs: 10, receiveMs: 20 });
  t.strictSame(parseHeartBeat('0,999999999999999'), { sendMs: 0, receiveMs: 999_999_999_999_999 });
  t.strictSame(parseHeartBeat('007,00'), { sendMs: 7, receiveMs: 0 });
});

t.test('C-32 anything else is refused and shown', async (t) => {
  const wrong = [
    '',
    'abc',
    '10',
    '10,',
    ',10',
    '1,2,3',
    '-1,0',
    '1.5,0',
    '1e3,0',
    '+1,0',
    '0x1,0',
    '1 0,0',
    '1,2\n',
    '9999999999999999,0',
  ];
  for (const value of wrong) {
    t.throws(
      () => parseHeartBeat(value),
      { code: 'heart-beat-invalid', message: /wants two non-negative integers/ },
      value,
    );
  }
});

t.test('C-24 each direction is 0 if either side says 0, else the slower', async (t) => {
  const numbers = [0, 100, 10_000];
  for (const cx of numbers)
    for (const cy of numbers)
      for (const sx of numbers)
        for (const sy of numbers) {
          const agreed = negotiateHeartBeat({ sendMs: cx, receiveMs: cy }, { sendMs: sx, receiveMs: sy });
          t.strictSame(
            agreed,
            {
              sendEveryMs: sx === 0 || cy === 0 ? 0 : Math.max(sx, cy),
              receiveEveryMs: cx === 0 || sy === 0 ? 0 : Math.max(cx, sy),
            },
            `client ${cx},${cy} server ${sx},${sy}`,
          );
        }
});

t.test('an offer is written as it is read', async (t) => {
  t.equal(formatHeartBeat({ sendMs: 10_000, receiveMs: 0 }), '10000,0');
});
