import t from 'tap';
import { BROKER_ERROR_CODES, BrokerError, CLOSE_CODES, closeReason } from '../../broker/index.js';

t.test('a BrokerError carries code, message, detail and cause', async (t) => {
  const cause = new Error('inner');
  t.match(new BrokerError('internal', 'm', { detail: 'd', cause }), {
    name: 'BrokerError',
    code: 'internal',
    message: 'm',
    detail: 'd',
    cause,
  });
  t.notOk('cause' in new BrokerError('internal', 'm'));
});

t.test('every code says what it means', async (t) => {
  for (const [code, meaning] of Object.entries(BROKER_ERROR_CODES)) {
    t.match(code, /^[a-z]+(-[a-z]+)*$/);
    t.ok(meaning.length > 10, code);
  }
});

t.test(
  'every way to end has a WebSocket status that may be sent, or 1006, and a text that fits a close frame',
  async (t) => {
    t.ok(CLOSE_CODES.length > 5);
    for (const code of CLOSE_CODES) {
      const reason = closeReason(code);
      t.equal(reason.code, code);
      t.ok([1000, 1001, 1002, 1006, 1008, 1011, 1013].includes(reason.webSocketStatus));
      t.ok(reason.text.length > 0 && Buffer.byteLength(reason.text) <= 123);
      t.ok(Object.isFrozen(reason));
      t.equal(closeReason(code), reason);
    }
  },
);
