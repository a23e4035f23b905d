import t from 'tap';
import { negotiateVersion, STOMP_VERSIONS } from '../../protocol/index.js';

t.test('C-05 no accept-version means 1.0', async (t) => {
  t.equal(negotiateVersion(undefined), '1.0');
});

t.test('C-06 the highest common version wins, whatever the order', async (t) => {
  t.equal(negotiateVersion('1.2,1.0,1.1'), '1.2');
  t.equal(negotiateVersion('1.0,1.1,2.0'), '1.1');
  t.equal(negotiateVersion('1.0, 1.1 ,\t1.2'), '1.2', 'blanks do not count');
  t.equal(negotiateVersion('1.2,1.1', ['1.1', '1.0']), '1.1');
  t.strictSame(STOMP_VERSIONS, ['1.2', '1.1', '1.0']);
});

t.test('C-07 nothing in common is refused, naming what is supported', async (t) => {
  for (const value of ['', '2.0', '9.9', '1', '1.20', '12']) {
    t.throws(() => negotiateVersion(value), { code: 'version-unsupported', message: /1\.0,1\.1,1\.2/ }, value);
  }
  t.throws(() => negotiateVersion(undefined, ['1.2']), { code: 'version-unsupported', message: / 1\.2, got/ });
});
