import t from 'tap';
import { escapeHeader, ProtocolError, unescapeHeader } from '../../protocol/index.js';

t.test('1.2 escapes backslash, LF, CR and colon', async (t) => {
  t.equal(escapeHeader('a\\b\nc\rd:e', '1.2', 'value'), 'a\\\\b\\nc\\rd\\ce');
  t.equal(escapeHeader('a:b', '1.2', 'name'), 'a\\cb');
});

t.test('1.1 has no escape for CR', async (t) => {
  t.equal(escapeHeader('a\\b\nc\rd:e', '1.1', 'value'), 'a\\\\b\\nc\rd\\ce');
});

t.test('on 1.0 only what would break the frame is rewritten', async (t) => {
  t.equal(escapeHeader('a\\b\nc\rd:e', '1.0', 'value'), 'a\\b\\nc\rd:e');
  t.equal(escapeHeader('a:b\n', '1.0', 'name'), 'a\\cb\\n');
});

t.test('text without special octets is returned as it is', async (t) => {
  for (const version of ['1.0', '1.1', '1.2'] as const)
    t.equal(escapeHeader('ünïcode /x', version, 'value'), 'ünïcode /x');
});

t.test('unescaping is one pass: an escaped backslash does not start an escape', async (t) => {
  t.equal(unescapeHeader('\\\\n', '1.2', 1), '\\n');
  t.equal(unescapeHeader('\\\\\\n\\c\\\\c', '1.2', 1), '\\\n:\\c');
  t.equal(unescapeHeader('\\r', '1.2', 1), '\r');
  t.equal(unescapeHeader('plain', '1.2', 1), 'plain');
});

t.test('1.0 leaves backslashes alone', async (t) => {
  t.equal(unescapeHeader('\\q\\n\\', '1.0', 1), '\\q\\n\\');
});

t.test('an unknown escape is refused, naming the line and the version', async (t) => {
  for (const text of ['a\\tb', '\\', 'x\\', '\\N', '\\__proto__', '\\toString', '\\ ']) {
    t.throws(
      () => unescapeHeader(text, '1.2', 7),
      { code: 'header-escape-unknown', message: /^Header line 7: .*1\.2$/ },
      text,
    );
  }
  t.throws(() => unescapeHeader('\\r', '1.1', 2), ProtocolError);
});
