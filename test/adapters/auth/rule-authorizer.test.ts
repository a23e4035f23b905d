/** Rules: order, patterns, users and roles; what a subscription to a pattern may slip past; user destinations. */
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { type Rule, RuleAuthorizer, type RuleAction } from '../../../adapters/auth/index.js';
import type { AuthorizationRequest } from '../../../broker/ports.js';
import { BrokerFixture } from '../../helpers/broker-fixture.js';
import { header } from '../../helpers/server-frames.js';

interface Asker {
  readonly name?: string | null;
  readonly roles?: readonly string[];
  readonly resolvedFrom?: string;
}

function request(action: RuleAction, destination: string, asker: Asker = {}): AuthorizationRequest {
  const { name = 'ann', roles = [], resolvedFrom } = asker;
  const where = { sessionId: 's', transport: 'tcp', remoteAddress: '' } as const;
  return { action, destination, principal: { name, roles }, resolvedFrom, ...where };
}

/** Lines such as `+ subscribe /topic/a`: whether rules allow it. */
function judge(rules: readonly Rule[], questions: readonly string[], asker: Asker = {}): string[] {
  const authorizer = new RuleAuthorizer({ rules });
  return questions.map((question) => {
    const [action = '', destination = ''] = question.slice(2).split(' ');
    const verdict = authorizer.isAllowed(request(action as RuleAction, destination, asker));
    return `${verdict === true ? '+' : '-'}${question.slice(1)}`;
  });
}

function holds(t: Test, rules: readonly Rule[], questions: readonly string[], asker: Asker = {}): void {
  t.strictSame(judge(rules, questions, asker), questions);
}

t.test('S12.2 the first rule that matches decides, and what none matches is denied', async (t) => {
  const rules: Rule[] = [
    { action: 'connect', allow: true },
    { action: ['send', 'subscribe'], destination: '/topic/secret/**', allow: false },
    { action: 'subscribe', destination: '/topic/**', allow: true },
    { action: 'subscribe', destination: '/topic/secret/open', allow: true },
    { destination: '/app/chat', allow: true },
  ];
  holds(t, rules, [
    '+ connect ',
    '+ subscribe /topic/a',
    '+ subscribe /topic/a/b',
    '- subscribe /topic/secret',
    '- subscribe /topic/secret/open',
    '- send /topic/a',
    '- subscribe /topicX',
    '- subscribe /queue/a',
    '+ send /app/chat',
    '+ subscribe /app/chat',
    '- send /app/chat/x',
  ]);
  holds(t, [], ['- connect ', '- send /topic/a']);
});

t.test('S12.3 rules by action, by destination, and for everything', async (t) => {
  holds(t, [{ allow: true }], ['+ connect ', '+ send /topic/a', '+ subscribe /topic/**']);
  holds(t, [{ destination: '/**', allow: true }], ['- connect ', '+ send /topic/a', '+ subscribe /topic/**']);
  holds(t, [{ action: 'send', allow: true }], ['- connect ', '+ send /topic/a', '- subscribe /topic/a']);
  holds(
    t,
    [{ destination: ['/topic/a', '/queue/*'], allow: true }],
    ['+ send /topic/a', '+ send /queue/x', '- send /queue/x/y'],
  );
});

t.test('S12.4 decisions by role, for users, for anonymous clients, and by a function with variables', async (t) => {
  const anyRole: Rule[] = [{ roles: ['admin', 'audit'], allow: true }];
  holds(t, anyRole, ['+ send /topic/a'], { roles: ['x', 'audit'] });
  holds(t, anyRole, ['- send /topic/a'], { roles: ['x', 'ADMIN'] });
  holds(t, [{ roles: [], allow: true }], ['- send /topic/a'], { roles: ['x'] });
  holds(t, [{ authenticated: true, allow: true }], ['+ connect ']);
  holds(t, [{ authenticated: true, allow: true }], ['- connect '], { name: null });
  holds(t, [{ authenticated: false, allow: true }], ['- connect ']);
  holds(t, [{ authenticated: false, allow: true }], ['+ connect '], { name: null });

  const seen: unknown[] = [];
  const check: Rule['check'] = ({ principal }, variables) => {
    seen.push({ ...variables });
    return variables['room'] === principal.name;
  };
  holds(
    t,
    [{ destination: '/topic/{room}/{id:\\d+}', check, allow: true }],
    ['+ send /topic/ann/7', '- send /topic/bob/7', '- send /topic/ann/x'],
  );
  t.strictSame(seen, [
    { room: 'ann', id: '7' },
    { room: 'bob', id: '7' },
  ]);
});

t.test('a function may take its time; rules behind it wait for it', async (t) => {
  const later = (answer: boolean) => () => Promise.resolve(answer);
  const ask = (rules: readonly Rule[]): unknown => new RuleAuthorizer({ rules }).isAllowed(request('send', '/topic/a'));
  t.equal(
    await ask([
      { check: later(false), allow: false },
      { check: later(true), allow: true },
    ]),
    true,
  );
  t.equal(await ask([{ check: later(true), allow: false }, { allow: true }]), false);
  t.equal(await ask([{ check: later(false), allow: true }]), false);
  t.type(ask([{ check: later(true), allow: true }]), Promise);
});

t.test('{user} is the name of who asks, and of nobody when that is anonymous', async (t) => {
  const rules: Rule[] = [{ destination: ['/topic/users/{user}/**', '/topic/inbox-{user}'], allow: true }];
  holds(t, rules, [
    '+ subscribe /topic/users/ann/x',
    '+ subscribe /topic/users/ann',
    '+ subscribe /topic/users/ann/**',
    '+ send /topic/inbox-ann',
    '- subscribe /topic/users/bob/x',
    '- subscribe /topic/users/anna/x',
    '- subscribe /topic/users/*/x',
    '- subscribe /topic/users/{user}/x',
    '- subscribe /topic/users/an?/x',
    '- subscribe /topic/users/**',
    '- send /topic/inbox-bob',
  ]);
  holds(t, rules, ['- subscribe /topic/users/ann/x', '- subscribe /topic/users/null/x', '- send /topic/users//x'], {
    name: null,
  });
});

t.test('a name with wildcards or slashes in it is only ever itself', async (t) => {
  const rules: Rule[] = [{ destination: '/topic/users/{user}/**', allow: true }];
  for (const name of ['*', '**', '{x}', '?', 'a*']) {
    holds(t, rules, ['- send /topic/users/bob/x', `+ send /topic/users/${name}/x`], { name });
    holds(t, rules, ['- subscribe /topic/users/bob/x', `- subscribe /topic/users/${name}/x`], { name });
  }
  holds(t, rules, ['+ subscribe /topic/users/a%2Fb/x', '- subscribe /topic/users/a/b/x'], { name: 'a/b' });
  holds(t, rules, ['- subscribe /topic/users/a%2Fb/x', '- subscribe /topic/users/a%252Fb/x'], { name: 'a%2Fb' });
});

t.test('a denying rule with {user} denies that user only', async (t) => {
  const rules: Rule[] = [{ destination: '/topic/{user}', allow: false }, { allow: true }];
  holds(t, rules, ['- send /topic/ann', '+ send /topic/bob', '- subscribe /topic/*', '- subscribe /topic/a??']);
  holds(t, rules, ['+ subscribe /topic/b*']);
});

t.test('a subscription to a pattern does not slip past a rule that denies a part of it', async (t) => {
  const rules: Rule[] = [
    { action: 'subscribe', destination: '/topic/secret/**', allow: false },
    { action: 'subscribe', destination: '/topic/a/{x:\\d+}/end', allow: false },
    { action: 'subscribe', destination: '/topic/**', allow: true },
  ];
  holds(t, rules, [
    '- subscribe /topic/**',
    '- subscribe /**',
    '- subscribe /*/secret',
    '- subscribe /topic/*',
    '- subscribe /topic/s*/x',
    '- subscribe /topic/?ecret/x',
    '- subscribe /topic/{x}',
    '- subscribe /topic/{x:[a-z]+}',
    '- subscribe /topic/**/x',
    '- subscribe /topic/a/*/end',
    '- subscribe /topic/a/1/**',
    '+ subscribe /topic/a/*/start',
    '+ subscribe /topic/a/b/**',
    '+ subscribe /topic/public/**',
    '+ subscribe /topic/public/*/x',
    '+ subscribe /topic/p*/secret',
    '- subscribe /**/public',
  ]);
});

t.test('a subscription to a pattern needs a rule that allows all of it', async (t) => {
  const rules: Rule[] = [
    { destination: ['/topic/a/*', '/topic/b/**', '/topic/c*/x', '/topic/{v:\\d+}/x', '/topic/**/tail'], allow: true },
  ];
  holds(t, rules, [
    '+ subscribe /topic/a/*',
    '+ subscribe /topic/a/x?',
    '+ subscribe /topic/a/{x}',
    '- subscribe /topic/a/**',
    '- subscribe /topic/*/x',
    '+ subscribe /topic/b/**',
    '+ subscribe /topic/b/*/x/**',
    '- subscribe /topic/b*/x',
    '- subscribe /topic/**',
    '+ subscribe /topic/c*/x',
    '- subscribe /topic/c?/x',
    '- subscribe /topic/{v}/x',
    '+ subscribe /topic/**/tail',
    '+ subscribe /topic/*/tail',
    '- subscribe /**/tail',
    '- subscribe /*/b/x',
  ]);
});

t.test('wildcards in SEND are letters like any other', async (t) => {
  const rules: Rule[] = [
    { destination: '/topic/secret', allow: false },
    { destination: '/topic/*', allow: true },
  ];
  holds(t, rules, ['+ send /topic/*', '- send /topic/**/x', '- subscribe /topic/*']);
});

t.test('a rule with a function never lets a pattern pass', async (t) => {
  const isOpen: Rule = { destination: '/topic/**', check: () => true, allow: true };
  holds(t, [isOpen], ['+ subscribe /topic/a', '- subscribe /topic/*', '+ send /topic/*']);
  const denies: Rule = { destination: '/topic/a', check: () => false, allow: false };
  holds(t, [denies, { allow: true }], ['+ subscribe /topic/a', '- subscribe /topic/*', '+ subscribe /topic/b*']);
});

t.test('what a pattern matches is denied nowhere that the pattern is allowed', async (t) => {
  // Small alphabets make rules and patterns meet often; literals are judged by the same code without wildcards.
  const segment = fc.constantFrom('a', 'b', 'ab', '*', '**', '?', 'a*', '{x}', '{x:a+}');
  const literal = fc.array(fc.constantFrom('a', 'b', 'ab', 'aa', 'c'), { maxLength: 4 });
  const path = fc.array(segment, { minLength: 1, maxLength: 4 }).map((segments) => `/${segments.join('/')}`);
  const rules = fc.array(fc.record({ destination: path, allow: fc.boolean() }), { maxLength: 4 });
  const rest = fc.constantFrom<Rule[]>([], [{ destination: '/**', allow: true }]);
  let met = 0;
  const property = fc.property(rules, rest, path, literal, (given, rest, asked, segments) => {
    const destination = `/${segments.join('/')}`;
    const isMatch = new RuleAuthorizer({ rules: [{ destination: asked, allow: true }] }).isAllowed(
      request('send', destination),
    );
    if (isMatch !== true) return true;
    const authorizer = new RuleAuthorizer({ rules: [...given, ...rest] });
    if (authorizer.isAllowed(request('subscribe', asked)) !== true) return true;
    met++;
    return authorizer.isAllowed(request('subscribe', destination)) === true;
  });
  fc.assert(property, { numRuns: 20_000 });
  t.ok(met > 100, `${met} cases`);
});

t.test('a long pattern of wildcards is judged at once', async (t) => {
  const rules: Rule[] = [{ destination: '/**/a/**/b/**/c/**', allow: true }];
  const start = process.hrtime.bigint();
  holds(t, rules, [`- subscribe ${'/**'.repeat(300)}/x`, `- subscribe ${'/**/a'.repeat(150)}`]);
  t.ok(Number(process.hrtime.bigint() - start) < 5e8);
});

t.test('a name too long to be compared is no way around a rule', async (t) => {
  const long = 'x'.repeat(300);
  for (const denied of ['/topic/*', '/topic/{name}', '/topic/a*', '/topic/{name:a.*}']) {
    const rules: Rule[] = [{ destination: denied, allow: false }, { allow: true }];
    holds(t, rules, [`- send /topic/a${long}`, `- subscribe /topic/a${long}`, `+ send /queue/a${long}`]);
  }
  // What lets in lets in what it has compared.
  holds(t, [{ destination: '/topic/a*', allow: true }], ['+ send /topic/ab', `- send /topic/a${long}`]);
});

t.test('of a user destination the rules see both forms in order: a denying rule counts for either', async (t) => {
  const resolved = (rules: readonly Rule[], action: RuleAction, written: string, destination: string): unknown =>
    new RuleAuthorizer({ rules }).isAllowed(request(action, destination, { resolvedFrom: written }));
  const own: Rule = { destination: '/user/queue/**', allow: true };
  const raw: Rule = { destination: '/queue/**', allow: false };
  const ask = (rules: readonly Rule[]): unknown => resolved(rules, 'subscribe', '/user/queue/x', '/queue/x');
  t.equal(ask([own]), true, 'no rule for the resolved form is needed');
  t.equal(ask([own, raw]), true, 'the rule above it has decided');
  t.equal(ask([raw, own]), false);
  t.equal(ask([{ destination: '/queue/**', allow: true }]), false, 'what is allowed is what was written');
  t.equal(resolved([raw, own], 'subscribe', '/user/queue/*', '/queue/*'), false, 'patterns too');
  t.equal(resolved([{ destination: '/user/{user}/**', allow: true }], 'send', '/user/ann/queue/x', '/queue/x'), true);
});

t.test('other rules can be put in place while sessions are open', async (t) => {
  const authorizer = new RuleAuthorizer({ rules: [{ allow: true }] });
  const fixture = new BrokerFixture({ refusals: 'soft' }, undefined, 'info', authorizer);
  const [ann, bob] = [fixture.connect({ login: 'ann' }), fixture.connect({ login: 'bob' })];
  bob.subscribe('0', '/topic/x');
  ann.subscribe('e', '/user/queue/errors');
  ann.publish('/topic/x', 'one');
  authorizer.replace([{ action: 'send', destination: '/topic/y', allow: true }]);
  ann.publish('/topic/x', 'two');
  ann.publish('/topic/y', '');
  t.strictSame(bob.bodies(), ['one'], 'the subscription stays, the SEND is denied');
  t.strictSame(ann.bodies(), ['Not allowed to send to "/topic/x"']);
  t.throws(() => authorizer.replace([{ allow: true }, { destination: '/a/{x:(}', allow: true }]), {
    code: 'invalid-option',
    message: /^rules\.1\.destination: got "\/a\/\{x:\(\}"/,
  });
  ann.publish('/topic/x', 'three');
  t.strictSame(ann.bodies(), ['Not allowed to send to "/topic/x"'], 'rules that are wrong change nothing');
});

t.test('patterns that no segment can be are refused', async (t) => {
  for (const destination of ['/a/{user}{user}', '/a/{user}*', '/a/{x}{user}', '/a/{x:(a|b)}']) {
    t.throws(
      () => new RuleAuthorizer({ rules: [{ destination, allow: true }] }),
      { code: 'invalid-option' },
      destination,
    );
  }
});

t.test('segments may be separated by dots', async (t) => {
  const authorizer = new RuleAuthorizer({ rules: [{ destination: '/topic/a.*.{user}', allow: true }], separator: '.' });
  t.equal(authorizer.isAllowed(request('send', '/topic/a.b.ann')), true);
  t.equal(authorizer.isAllowed(request('send', '/topic/a.b.c.ann')), false);
  t.equal(authorizer.isAllowed(request('send', '/topic/a.b.bob')), false);
});

t.test('one rule lets clients ask, one lets them answer, whatever separates segments', async (t) => {
  for (const separator of ['/', '.'] as const) {
    const rules: Rule[] = [
      { action: 'connect', allow: true },
      { action: 'subscribe', destination: '/temp-queue/**', roles: ['asker'], allow: true },
      { action: 'send', destination: '/reply-queue/**', roles: ['worker'], allow: true },
      { destination: '/topic/**', allow: true },
    ];
    const byLogin = { authenticate: ({ login = '' }) => ({ name: login, roles: [login] }) };
    const authorizer = new RuleAuthorizer({ rules, separator });
    const fixture = new BrokerFixture({ destinations: { separator } }, byLogin, 'info', authorizer);
    const [asker, worker] = [fixture.connect({ login: 'asker' }), fixture.connect({ login: 'worker' })];
    worker.subscribe('w', '/topic/work');
    asker.publish('/topic/work', 'ping', { 'reply-to': '/temp-queue/x' });
    const ofApplication = fixture.broker.request('/topic/work', 'ping');
    for (const request of worker.frames()) worker.publish(header(request, 'reply-to') ?? '', 'pong');
    t.strictSame(asker.bodies(), ['pong'], separator);
    t.equal((await ofApplication).text, 'pong');
    worker.publish('/topic/work', 'ping', { 'reply-to': '/temp-queue/x' });
    t.equal(worker.error(), 'access-denied');
    asker.publish('/reply-queue/anything', 'pong');
    t.equal(asker.error(), 'access-denied');
  }
});

t.test('whether anyone can connect is known beforehand', async (t) => {
  const canConnect = (rules: readonly Rule[]): boolean => new RuleAuthorizer({ rules }).canConnect;
  t.equal(canConnect([{ action: 'send', allow: true }]), false);
  t.equal(canConnect([{ destination: '/**', allow: true }]), false);
  t.equal(canConnect([{ action: ['send', 'connect'], roles: ['x'], allow: true }]), true);
  t.equal(canConnect([{ authenticated: true, allow: true }]), true);
});

t.test('S12.7 a denied SUBSCRIBE costs the connection, or with soft refusals a message', async (t) => {
  const rules: Rule[] = [
    { action: 'connect', allow: true },
    { destination: '/user/queue/errors', allow: true },
  ];
  const strict = new BrokerFixture({}, undefined, 'info', new RuleAuthorizer({ rules }));
  const client = strict.connect({ login: 'ann' });
  client.subscribe('0', '/topic/secret', { receipt: 'r' });
  t.match(client.frames(), [
    {
      command: 'ERROR',
      headers: [
        ['message', 'Not allowed to subscribe to "/topic/secret"'],
        ['code', 'access-denied'],
        ['content-type', 'text/plain'],
        ['content-length', /\d+/],
        ['receipt-id', 'r'],
      ],
    },
  ]);
  strict.clock.turn();
  t.ok(client.isGone);
  t.match(
    strict.log.find(({ level }) => level === 'warn'),
    {
      message: 'Not allowed to subscribe to "/topic/secret"',
      fields: { code: 'access-denied', command: 'SUBSCRIBE' },
    },
  );

  const soft = new BrokerFixture({ refusals: 'soft' }, undefined, 'info', new RuleAuthorizer({ rules }));
  const patient = soft.connect({ login: 'ann' });
  patient.subscribe('e', '/user/queue/errors');
  patient.subscribe('0', '/topic/secret', { receipt: 'r' });
  const [told] = patient.frames();
  t.match(
    told?.headers.filter(([name]) => name === 'code' || name === 'receipt-id'),
    [
      ['code', 'access-denied'],
      ['receipt-id', 'r'],
    ],
  );
  t.notOk(patient.isGone);
  t.match(
    soft.log.find(({ level }) => level === 'warn'),
    { fields: { code: 'access-denied' } },
  );
});

t.test('S12.10 clients can be kept from sending to and subscribing on what handlers publish', async (t) => {
  const rules: Rule[] = [
    { action: 'connect', allow: true },
    { action: 'subscribe', destination: ['/user/queue/**', '/topic/**'], allow: true },
    { action: 'send', destination: '/app/**', allow: true },
  ];
  holds(t, rules, [
    '+ subscribe /user/queue/x',
    '+ send /app/x',
    '- send /topic/x',
    '- subscribe /queue/x',
    '- send /user/ann/queue/x',
  ]);
});
