import t from 'tap';
import { traceFrame } from '../../broker/frame-trace.js';
import { Headers } from '../../protocol/index.js';

t.test('a trace has the first of each header, what is secret masked, and the beginning of the body', async (t) => {
  const headers = new Headers([
    ['a', '1'],
    ['a', '2'],
    ['passcode', 'p'],
    ['Authorization', 'Bearer x'],
    ['admin-token', 'x'],
    ['X-CSRF-TOKEN', 'x'],
    ['__proto__', 'harmless'],
  ]);
  const trace = traceFrame({ command: 'SEND', headers, body: Buffer.from('é'.repeat(1_000)) });
  t.strictSame(Object.entries(trace.headers), [
    ['a', '1'],
    ['passcode', '***'],
    ['Authorization', '***'],
    ['admin-token', '***'],
    ['X-CSRF-TOKEN', '***'],
    ['__proto__', 'harmless'],
  ]);
  t.equal(trace.bodyBytes, 2_000);
  t.ok(trace.body.length <= 200);
  t.equal(trace.command, 'SEND');
});

t.test('a token that stands in a body is masked as well', async (t) => {
  const body = Buffer.from('eyJhbGciOiJIUzI1NiJ9.e30.x');
  for (const destination of ['/app/$session/renew', '/app/$session.renew']) {
    const trace = traceFrame({ command: 'SEND', headers: new Headers([['destination', destination]]), body });
    t.equal(trace.body, '***');
  }
  t.equal(traceFrame({ command: 'SEND', headers: new Headers(), body }).body, body.toString());
});
