import t from 'tap';
import { FakeClock } from '../../helpers/fake-clock.js';
import { Interceptors } from '../../../broker/application/interceptors.js';
import { Headers, type Frame } from '../../../protocol/index.js';
import type { SessionHandle } from '../../../broker/application/session-handle.js';

const SESSION = {} as SessionHandle;

function frame(text: string): Frame {
  return { command: 'SEND', headers: new Headers(), body: Buffer.from(text) };
}
const append = (text: string) => (given: Frame) => frame(given.body.toString() + text);
const appendLater = (text: string) => async (given: Frame) => frame(given.body.toString() + text);

t.test('a channel without interceptors is null', async (t) => {
  const interceptors = new Interceptors(new FakeClock(), 1_000);
  t.strictSame([interceptors.inbound, interceptors.outbound, interceptors.broker], [null, null, null]);
});

t.test('the inbound channel waits only from the first promise on', async (t) => {
  const interceptors = new Interceptors(new FakeClock(), 1_000);
  interceptors.addInbound(append('a'));
  t.equal((interceptors.applyInbound(frame(''), SESSION) as Frame).body.toString(), 'a');
  interceptors.addInbound(appendLater('b'));
  interceptors.addInbound(append('c'));
  const result = interceptors.applyInbound(frame(''), SESSION);
  t.type(result, Promise);
  t.equal((await result)?.body.toString(), 'abc');
});

t.test('null ends every channel at once', async (t) => {
  const interceptors = new Interceptors(new FakeClock(), 1_000);
  const never = (): never => t.fail('called') as never;
  interceptors.addInbound(appendLater('x'));
  interceptors.addInbound(async () => null);
  interceptors.addInbound(never);
  interceptors.addOutbound(() => null);
  interceptors.addOutbound(never);
  interceptors.addBroker(() => null);
  interceptors.addBroker(never);
  t.equal(await interceptors.applyInbound(frame(''), SESSION), null);
  t.equal(interceptors.applyOutbound(frame(''), SESSION), null);
  t.equal(interceptors.applyBroker({ destination: '/topic/a', headers: [], body: Buffer.alloc(0) }), null);
});

t.test('what an interceptor throws, now or later, comes out', async (t) => {
  const interceptors = new Interceptors(new FakeClock(), 1_000);
  interceptors.addInbound((given) => {
    if (given.body.length === 0) throw new Error('now');
    return Promise.reject(new Error('later'));
  });
  t.throws(() => interceptors.applyInbound(frame(''), SESSION), { message: 'now' });
  await t.rejects(interceptors.applyInbound(frame('x'), SESSION) as Promise<unknown>, { message: 'later' });
});

t.test('an interceptor that hangs refuses the frame at its deadline', async (t) => {
  const clock = new FakeClock();
  const interceptors = new Interceptors(clock, 1_000);
  interceptors.addInbound(() => new Promise(() => undefined));
  const result = interceptors.applyInbound(frame(''), SESSION) as Promise<unknown>;
  clock.advance(1_000);
  await t.rejects(result, { code: 'handler-timeout' });
  t.equal(clock.intervalCount, 0);
});
