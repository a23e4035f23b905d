import t from 'tap';
import { PROTOCOL_ERROR_CODES, ProtocolError, quoteInput } from '../../protocol/index.js';

t.test('a ProtocolError has a code and a message', async (t) => {
  const error = new ProtocolError('frame-malformed', 'x');
  t.match(error, { name: 'ProtocolError', code: 'frame-malformed', message: 'x' });
  t.type(error, Error);
});

t.test('every code says what it means', async (t) => {
  for (const [code, meaning] of Object.entries(PROTOCOL_ERROR_CODES)) {
    t.match(code, /^[a-z]+[a-z0-9-]*$/);
    t.ok(meaning.length > 10, code);
  }
});

t.test("the peer's text is echoed as bounded printable ASCII", async (t) => {
  t.equal(quoteInput('abc'), '"abc"');
  t.equal(quoteInput('a"b\\c\n'), '"a\\"b\\\\c\\n"');
  t.equal(quoteInput('ü\u0001'), '"\\u00fc\\u0001"');
  t.equal(quoteInput('x'.repeat(41)), `"${'x'.repeat(40)}..."`);
  t.equal(quoteInput('abcdef', 3), '"abc..."');
  t.match(quoteInput('\u{1f40e}\u007f'), /^[\x20-\x7e]+$/);
});
