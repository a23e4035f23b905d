/** What the broker asks an Authorizer, what it remembers, and what the rules have no say in. */
import t from 'tap';
import type { AuthorizationRequest, Authorizer } from '../../broker/ports.js';
import { BrokerFixture } from '../helpers/broker-fixture.js';
import { settle } from '../helpers/settle.js';

/** Answers as `verdict` says and keeps what it was asked. */
class Recorder implements Authorizer {
  readonly asked: AuthorizationRequest[] = [];
  forget: () => void = () => undefined;
  readonly #verdict: (request: AuthorizationRequest) => boolean | Promise<boolean>;

  constructor(verdict: (request: AuthorizationRequest) => boolean | Promise<boolean> = () => true) {
    this.#verdict = verdict;
  }

  isAllowed(request: AuthorizationRequest): boolean | Promise<boolean> {
    this.asked.push(request);
    return this.#verdict(request);
  }

  onChange(forget: () => void): void {
    this.forget = forget;
  }

  /** `action destination`, with what it was resolved from. */
  get questions(): string[] {
    return this.asked.map(({ action, destination, resolvedFrom }) =>
      [action, destination, ...(resolvedFrom === undefined ? [] : [`of ${resolvedFrom}`])].join(' '),
    );
  }
}

function fixtureWith(authorizer: Authorizer, soft = false): BrokerFixture {
  return new BrokerFixture({ refusals: soft ? 'soft' : 'close' }, undefined, 'info', authorizer);
}

t.test('S12.6 destinations are judged as the client wrote them, then as what they lead to', async (t) => {
  const rules = new Recorder();
  const client = fixtureWith(rules).connect({ login: 'ann' });
  client.subscribe('0', '/user/queue/x');
  client.publish('/user/bob/queue/y', '');
  client.publish('/app/z', '');
  t.strictSame(client.error(), undefined);
  t.strictSame(rules.questions, [
    'connect ',
    'subscribe /user/queue/x',
    'subscribe /queue/x of /user/queue/x',
    'send /user/bob/queue/y',
    'send /queue/y of /user/bob/queue/y',
    'send /app/z',
  ]);
});

t.test('a refusal names the destination as the client wrote it', async (t) => {
  const fixture = fixtureWith(new Recorder(({ destination }) => destination !== '/queue/x'));
  const client = fixture.connect({ login: 'ann' });
  client.subscribe('0', '/user/queue/x');
  t.match(client.frames()[0]?.headers, [['message', 'Not allowed to subscribe to "/user/queue/x"']]);
});

t.test('an allowed SEND is asked about once, until the authorizer says that its answers have changed', async (t) => {
  const rules = new Recorder();
  const client = fixtureWith(rules).connect();
  for (let k = 0; k < 3; k++) client.publish('/topic/x', '');
  t.equal(rules.asked.length, 2);
  rules.forget();
  client.publish('/topic/x', '');
  t.equal(rules.asked.length, 3);
});

t.test('an answer that was on its way while the answers changed is not remembered', async (t) => {
  let answer: (allowed: boolean) => void = () => undefined;
  const rules = new Recorder(({ action }) => action !== 'send' || new Promise((resolve) => (answer = resolve)));
  const client = fixtureWith(rules).connect();
  client.publish('/topic/x', 'one');
  rules.forget();
  answer(true);
  await new Promise(setImmediate);
  client.publish('/topic/x', 'two');
  t.equal(rules.questions.filter((question) => question === 'send /topic/x').length, 2);
});

t.test('showing new credentials is no matter of the rules', async (t) => {
  const client = fixtureWith(new Recorder(({ action }) => action === 'connect')).connect({ login: 'ann' });
  client.publish('/app/$session/renew', '', { login: 'ann', receipt: 'r' });
  t.match(client.frames(), [{ command: 'RECEIPT' }]);
  client.publish('/app/x/$session/renew', '', { login: 'ann' });
  t.equal(client.error(), 'access-denied', 'only the one reserved destination');
});

t.test('a verdict that comes when the session has ended opens nothing', async (t) => {
  const verdicts: ((isAllowed: boolean) => void)[] = [];
  const fixture = fixtureWith(
    new Recorder(({ action }) => action === 'connect' || new Promise<boolean>((resolve) => verdicts.push(resolve))),
  );
  const heard: string[] = [];
  fixture.broker.events.on('subscribe', ({ subscription }) => heard.push(subscription.destination));
  fixture.connect().subscribe('0', '/topic/a');
  fixture.connect().subscribe('0', '/temp-queue/x');
  fixture.connect().publish('/queue/a', 'late', { 'reply-to': '/temp-queue/x' });
  const stopped = fixture.broker.stop(0);
  fixture.clock.advance(20);
  await stopped;
  // The last asks a second time, about its reply-to.
  while (verdicts.length > 0) {
    for (const allow of verdicts.splice(0)) allow(true);
    await settle();
  }
  t.strictSame(heard, []);
  t.match(fixture.broker.stats(), { subscriptions: 0, temporaryQueues: 0, messagesIn: 0 });
});

t.test('a frame that interceptors let pass when the session has ended has no effect', async (t) => {
  const fixture = new BrokerFixture();
  const client = fixture.connect();
  let pass: () => void = () => undefined;
  fixture.broker.interceptInbound((frame) => new Promise((resolve) => (pass = (): void => resolve(frame))));
  client.subscribe('0', '/topic/a');
  const stopped = fixture.broker.stop(0);
  fixture.clock.advance(20);
  await stopped;
  pass();
  await settle();
  t.equal(fixture.broker.stats().subscriptions, 0);
});
