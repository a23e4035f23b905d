import t from 'tap';
import { MessagingTemplate } from '../../../broker/application/messaging-template.js';
import { DEFAULT_IDEMPOTENCY_OPTIONS, MessageKeys } from '../../../broker/message-keys.js';
import { BrokerStats } from '../../../broker/stats.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import type { MessagePublisher } from '../../../broker/message-publisher.js';

/** What the publisher is asked to do, as plain values. */
function start(): { template: MessagingTemplate; published: unknown[] } {
  const published: unknown[] = [];
  const publisher = {
    publish: (
      destination: string,
      headers: Iterable<readonly [string, string]>,
      body: Buffer,
      sender: string | null,
    ) => {
      if (destination === '/queue/full') throw new Error('full');
      published.push([destination, Object.fromEntries(headers), body.toString(), sender]);
    },
    publishToUser: (
      user: string,
      rest: string,
      headers: Iterable<readonly [string, string]>,
      body: Buffer,
      session: string | null,
    ) => {
      published.push([user, rest, Object.fromEntries(headers), body.toString(), session]);
    },
  };
  // Only these two are used; the class has private parts that a fake cannot have.
  const parts = { clock: new FakeClock(), stats: new BrokerStats(), journal: null };
  const keys = new MessageKeys(DEFAULT_IDEMPOTENCY_OPTIONS, parts);
  return { template: new MessagingTemplate(publisher as unknown as MessagePublisher, null, keys), published };
}

t.test('content-type follows from the payload, whatever the headers say', async (t) => {
  const { template, published } = start();
  await template.convertAndSend('/topic/a', 'text', { 'content-type': 'text/html' });
  await template.convertAndSend('/topic/a', Buffer.from('octets'));
  await template.convertAndSend('/topic/a', null);
  t.strictSame(published, [
    ['/topic/a', { 'content-type': 'text/plain;charset=UTF-8' }, 'text', null],
    ['/topic/a', { 'content-type': 'application/octet-stream' }, 'octets', null],
    ['/topic/a', { 'content-type': 'application/json' }, 'null', null],
  ]);
});

t.test('messages are published in the turn of the call, in the order of calls', async (t) => {
  const { template, published } = start();
  const sent = [template.convertAndSend('/topic/a', 1), template.convertAndSendToUser('ann', 'queue/a', 2)];
  t.strictSame(
    published.map((call) => (call as unknown[])[0]),
    ['/topic/a', 'ann'],
  );
  await Promise.all(sent);
});

t.test('to a user: the rest with its slash, the session if one is named', async (t) => {
  const { template, published } = start();
  await template.convertAndSendToUser('a/b', 'queue/a', 'm', { n: 1 }, { session: 's' });
  t.strictSame(published, [['a/b', '/queue/a', { n: '1', 'content-type': 'text/plain;charset=UTF-8' }, 'm', 's']]);
});

t.test('a refusal is a rejection, never an exception', async (t) => {
  const { template } = start();
  await t.rejects(template.convertAndSend('/queue/full', ''), { message: 'full' });
  await t.rejects(template.convertAndSend('/topic/a', 5n), { code: 'payload-invalid' });
  await t.rejects(template.convertAndSendToUser('a%2Fb', '/queue/a', ''), { code: 'destination-invalid' });
});
