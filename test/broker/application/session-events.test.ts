import t from 'tap';
import { SessionEvents, type SessionEvent } from '../../../broker/application/session-events.js';
import { settle } from '../../helpers/settle.js';

function start(): { events: SessionEvents; errors: unknown[] } {
  const errors: unknown[] = [];
  const silent = (): void => undefined;
  const error = (fields: object): void => void errors.push((fields as { err: unknown }).err);
  return { events: new SessionEvents({ level: 'info', debug: silent, info: silent, warn: silent, error }), errors };
}

t.test('an event is worth making only while somebody listens', async (t) => {
  const { events } = start();
  t.equal(events.has('connect'), false);
  const off = events.on('connect', () => undefined);
  t.strictSame([events.has('connect'), events.has('connected')], [true, false]);
  off();
  off();
  t.equal(events.has('connect'), false);
  const stream = events.stream();
  t.equal(events.has('connected'), true);
  await stream.return?.();
  t.equal(events.has('connected'), false);
});

t.test('listeners are called in order of registration; one that throws does not keep the others from it', async (t) => {
  const { events, errors } = start();
  const seen: number[] = [];
  events.on('availability', () => {
    seen.push(1);
    throw new Error('first');
  });
  events.on('availability', () => seen.push(2));
  events.emit('availability', { available: true });
  t.strictSame(seen, [1, 2]);
  t.match(errors, [{ message: 'first' }]);
});

t.test('a listener that rejects is logged, not left to end the process', async (t) => {
  const { events, errors } = start();
  events.on('availability', () => Promise.reject(new Error('later')));
  events.emit('availability', { available: true });
  await settle();
  t.match(errors, [{ message: 'later' }]);
});

t.test('a stream that waits gets the next event; several that wait get one each', async (t) => {
  const { events } = start();
  const stream = events.stream();
  const waiting = [stream.next(), stream.next()];
  for (const available of [true, false, true]) events.emit('availability', { available });
  const seen = (await Promise.all([...waiting, stream.next()])).map(
    ({ value }) => (value as SessionEvent & { type: 'availability' }).available,
  );
  t.strictSame(seen, [true, false, true]);
});

t.test('what came before the end of the broker is still read, then the stream is done', async (t) => {
  const { events } = start();
  const [stream, waiting] = [events.stream(), events.stream()];
  const next = waiting.next();
  await settle();
  events.emit('availability', { available: false });
  events.close();
  t.equal((await next).done, false);
  t.strictSame(await waiting.next(), { done: true, value: undefined });
  t.equal((await stream.next()).done, false);
  t.equal((await stream.next()).done, true);
  events.emit('availability', { available: true });
  t.equal((await stream.next()).done, true);
});
