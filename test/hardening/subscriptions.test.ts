// Subscriptions made to cost others: many, complex, or to what is not theirs.
import t from 'tap';
import type { ServerOptions } from '../../adapters/index.js';
import { openConnected, type RawClient } from '../helpers/raw-client.js';
import { Arena, STRENGTH, type Started } from './arena.js';

const arena = Arena.open(t);
const group = 'subscriptions';

interface Bomb {
  readonly name: string;
  readonly defence: string;
  readonly code: string;
  /** Null: no option turns it off. */
  readonly without: ServerOptions | null;
  readonly headers: readonly string[];
}

const limits = (raised: object): ServerOptions => ({ broker: { limits: raised } });
const many = (count: number, of: (k: number) => string): readonly string[] =>
  Array.from({ length: count }, (_, k) => of(k));
const BOMBS: readonly Bomb[] = [
  {
    name: 'too many subscriptions',
    defence: 'limits.maxSubscriptionsPerSession',
    code: 'limit-exceeded',
    without: limits({ maxSubscriptionsPerSession: 1_000_000 }),
    headers: many(20_001, (k) => `destination:/topic/${k}\n`),
  },
  {
    name: 'a pattern of too many wild segments',
    defence: 'limits.maxPatternWildcards',
    code: 'destination-invalid',
    without: limits({ maxPatternWildcards: 1_000 }),
    headers: [`destination:/topic/${'**/*/'.repeat(50)}a\n`],
  },
  {
    name: 'patterns that all new destinations are compared with',
    defence: 'limits.maxPatternBytesPerSession',
    code: 'limit-exceeded',
    without: limits({ maxPatternBytesPerSession: 1_000_000 }),
    headers: many(1_500, (k) => `destination:/topic/**/*a${k}*/**\n`),
  },
  {
    name: 'selectors without end',
    defence: 'limits.maxSelectorBytesPerSession',
    code: 'limit-exceeded',
    without: limits({ maxSelectorBytesPerSession: 10_000_000 }),
    headers: many(10, (k) => `destination:/topic/a\nselector:${`h${k} LIKE '%a_b%' OR `.repeat(150)}h = 'a'\n`),
  },
  {
    name: 'a selector that is too long',
    defence: 'limits.maxSelectorBytes',
    code: 'selector-invalid',
    without: limits({ maxSelectorBytes: 16_000 }),
    headers: [`destination:/topic/a\nselector:${"h = 'a' OR ".repeat(1_000)}h = 'b'\n`],
  },
  {
    name: 'a selector of ten thousand parentheses',
    defence: 'selector/parser.ts: depth',
    code: 'selector-invalid',
    without: null,
    headers: [`destination:/topic/a\nselector:${'('.repeat(2_000)}h = 'a'${')'.repeat(2_000)}\n`],
  },
  ...['{n:(a+)+b}', '{n:(a|a)*b}', '{n:a*a*a*b}', '{n:(a)\\\\1*}', '{n:a?a?a?aaa}', '{n:[}'].map((segment) => ({
    name: `a regex made to backtrack: ${segment}`,
    defence: 'destinations/pattern.ts',
    code: 'destination-invalid',
    without: null,
    headers: [`destination:/topic/${segment.replaceAll(':', '\\c')}\n`],
  })),
];

async function subscribeAll(client: RawClient, headers: readonly string[]): Promise<string> {
  await client.send(headers.map((each, k) => `SUBSCRIBE\nid:${k}\n${each}\n\0`).join(''));
  client.sendFrame('SEND', { destination: '/topic/nobody', receipt: 'last' });
  const frame = await client.frame();
  return frame.get('code') ?? frame.command;
}

for (const { name, defence, code, without: raised, headers } of BOMBS) {
  t.test(name, async (t) => {
    const run = async (target: Started): Promise<string> =>
      subscribeAll(await openConnected(t, target.tcpPort), headers);
    const guarded = await arena.serve(t, {});
    const without = raised === null ? undefined : await run(await arena.serve(t, raised));
    const { outcome } = await arena.attack(t, guarded, { group, name, defence }, () => run(guarded), without);
    t.equal(outcome, code);
    if (without !== undefined) t.equal(without, 'RECEIPT');
  });
}

interface Slow {
  readonly name: string;
  readonly defence: string;
  readonly headers: readonly string[];
  readonly frame: string;
}

/** All within the limits, and the worst that was found there. */
const SLOW: readonly Slow[] = [
  {
    name: 'LIKE made to backtrack',
    defence: 'selector/like.ts',
    headers: [`destination:/topic/s\nselector:h LIKE '${'%a'.repeat(127)}b'\n`],
    frame: `SEND\ndestination:/topic/s\nh:${'a'.repeat(4_096)}\n\n\0`,
  },
  {
    name: 'LIKE on the longest header, as often as fits',
    defence: 'selector/like.ts, limits.maxSelectorBytesPerSession',
    headers: many(4, () => `destination:/topic/s\nselector:${`h LIKE'%_b'OR `.repeat(285)}h='b'\n`),
    frame: `SEND\ndestination:/topic/s\nh:${'a'.repeat(4_096)}\n\n\0`,
  },
  {
    name: 'regexes on a segment of the worst length, as many as fit',
    defence: 'destinations/pattern.ts, limits.maxPatternBytesPerSession',
    headers: many(75, (k) => `destination:/topic/**/{n\\ca*.*b${k}}\n`),
    frame: `SEND\ndestination:/topic/${`${'a'.repeat(127)}/`.repeat(7)}a\n\n\0`,
  },
  {
    name: 'stars on the longest segment, as many as fit',
    defence: 'destinations/pattern.ts, limits.maxPatternBytesPerSession',
    headers: many(50, (k) => `destination:/topic/**/*${'a'.repeat(120)}b${k}*/**\n`),
    frame: `SEND\ndestination:/topic/${`${'a'.repeat(255)}/`.repeat(3)}a\n\n\0`,
  },
];

for (const { name, defence, headers, frame } of SLOW) {
  t.test(name, async (t) => {
    const target = await arena.serve(t, {});
    const { outcome } = await arena.attack(t, target, { group, name, defence }, async () => {
      const subscriber = await openConnected(t, target.tcpPort);
      t.equal(await subscribeAll(subscriber, headers), 'RECEIPT', 'within the limits');
      const publisher = await openConnected(t, target.tcpPort);
      for (let k = 0; k < 5 + STRENGTH; k++) await publisher.send(frame.replace(/a\n\n\0$/, `a${k}\n\n\0`));
      await publisher.fence();
      return 'taken, in time';
    });
    t.equal(outcome, 'taken, in time');
  });
}

const TRICKS = [
  '/topic/public/../secret',
  '/topic/public/./../secret',
  '/topic//secret',
  '/topic/secret/',
  '//topic/secret',
  '/topic/%73ecret',
  '/topic/public/%2e%2e/secret',
  '/topic/public%2f..%2fsecret',
  '/topic/public\\\\..\\\\secret',
  '/TOPIC/secret',
  ' /topic/secret',
  '/topic/secret ',
  '/topic/\u200bsecret',
  '/topic/ｓecret',
  'topic/secret',
  './topic/secret',
  '/queue/../topic/secret',
  '/user/../topic/secret',
  '/topic/public/**/../secret',
  '/topic/public,/topic/secret',
];

t.test('paths that lead elsewhere', async (t) => {
  const users = [
    { login: 'spy', passcode: 'p', roles: ['spy'] },
    { login: 'eve', passcode: 'p' },
  ];
  const rules = [
    { roles: ['spy'], allow: true },
    { destination: ['/topic/public/**', '/topic/nobody.listens.here', '/topic/witness'], allow: true },
    { action: 'connect' as const, allow: true },
  ];
  const guarded = await arena.serve(t, { auth: { users, rules, anonymous: true } });
  const open = await arena.serve(t, { auth: { users } });
  const run = async (target: Started, tricks: readonly string[]): Promise<string> => {
    const spy = await openConnected(t, target.tcpPort, '1.2', { login: 'spy', passcode: 'p' });
    await spy.subscribe('/topic/secret', 'secret');
    let reached = 0;
    for (const trick of tricks) {
      const eve = await openConnected(t, target.tcpPort, '1.2', { login: 'eve', passcode: 'p' });
      eve.sendFrame('SEND', { destination: trick, receipt: 'sent' }, 'got you');
      eve.sendFrame('SUBSCRIBE', { destination: trick, id: '0', receipt: 'subscribed' });
      const answers = [await eve.frame()];
      if (answers[0]?.command === 'RECEIPT') answers.push(await eve.frame());
      // Whoever got so far must not hear what is said there.
      spy.sendFrame('SEND', { destination: '/topic/secret', receipt: 'said' }, 'for the spy');
      const own = await spy.frame();
      if (own.text === 'got you') {
        reached++;
        await spy.frame();
      }
      await spy.receipt('said');
      if (answers[1]?.command === 'RECEIPT' && eve.unread > 0) reached++;
      eve.destroy();
    }
    return `${reached} of ${tricks.length} reach /topic/secret`;
  };
  // Rules that allow everything let the plain name through: the spy would see it.
  const without = await run(open, ['/topic/secret']);
  const attack = {
    group,
    name: 'path tricks in destinations',
    defence: 'destinations are compared as they are; auth.rules',
  };
  const { outcome } = await arena.attack(t, guarded, attack, () => run(guarded, TRICKS), without);
  t.equal(outcome, `0 of ${TRICKS.length} reach /topic/secret`);
  t.not(without, '0 of 1 reach /topic/secret');
});

const LOGINS = ['ann', 'ann/queue', '../ann', '%2Fann', 'ann%2F', 'ann*', '**', '{ann}', 'ann ', '__proto__', 'Ann'];

t.test('user names that look like paths', async (t) => {
  const users = LOGINS.map((login) => ({ login, passcode: 'p' }));
  const target = await arena.serve(t, { auth: { users, anonymous: true } });
  const attack = { group, name: 'path tricks in user names', defence: 'destinations/user-destinations.ts' };
  const { outcome } = await arena.attack(t, target, { ...attack, witness: 'login:ann\npasscode:p\n' }, async () => {
    const clients = await Promise.all(
      LOGINS.map((login) => openConnected(t, target.tcpPort, '1.2', { login, passcode: 'p' })),
    );
    for (const client of clients) await client.subscribe('/user/queue/mine');
    const [ann, ...others] = clients;
    const sender = others[0];
    if (ann === undefined || sender === undefined) throw new Error('nobody is there');
    sender.sendFrame('SEND', { destination: '/user/ann/queue/mine', receipt: 'sent' });
    await sender.receipt('sent');
    await ann.frame('MESSAGE');
    for (const client of others) await client.fence();
    // Nor by the name that a session's queue has inside.
    const session = 'any';
    sender.sendFrame('SUBSCRIBE', { destination: `/queue/mine-user${session}`, id: 'raw', receipt: 'raw' });
    const answer = await sender.frame();
    return `only ann hears it; a raw name gets ${answer.get('code') ?? answer.command}`;
  });
  t.match(outcome, /^only ann hears it/);
});
