/** Accounts in a file of hashes, the authenticator over it, and the command that writes it. */
import { readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { hashPasscode, parsePasswordFile, PasswordFileAuthenticator, withEntry } from '../../../adapters/auth/index.js';
import type { LogLine } from '../../helpers/broker-fixture.js';
import { runCommand } from '../../helpers/cli.js';
import { connectRequest, recordingLogger } from '../../helpers/tokens.js';

const REFUSED = { name: 'BrokerError', code: 'authentication-failed', message: 'Bad login or passcode' };
const HASH = await hashPasscode('päss word');
const ask = (login: string, passcode: string): ReturnType<typeof connectRequest> => connectRequest({ login, passcode });

t.test('a right passcode becomes the principal with its roles, a wrong one is refused', async (t) => {
  const file = path.join(t.testdir(), 'users');
  writeFileSync(file, `# people\n\nann:${HASH}:admin, audit\r\nbob:${HASH}\n`);
  const authenticator = new PasswordFileAuthenticator(file, recordingLogger([]));
  await authenticator.load();
  t.strictSame(await authenticator.identify(ask('ann', 'päss word')), { name: 'ann', roles: ['admin', 'audit'] });
  t.strictSame(await authenticator.identify(ask('bob', 'päss word')), { name: 'bob', roles: [] });
  for (const passcode of ['', 'päss word ', 'Päss word', HASH]) {
    await t.rejects(Promise.resolve(authenticator.identify(ask('bob', passcode))), REFUSED);
  }
  for (const login of ['eve', '# people', '__proto__', '']) {
    t.equal(await authenticator.identify(ask(login, 'päss word')), null, 'not in the file');
  }
  t.equal(authenticator.identify(connectRequest()), null, 'nothing is shown');
});

t.test('an unknown login takes as long as a known one', async (t) => {
  const file = path.join(t.testdir(), 'users');
  writeFileSync(file, `ann:${HASH}\n`);
  const authenticator = new PasswordFileAuthenticator(file, recordingLogger([]));
  const time = async (login: string): Promise<number> => {
    const times: number[] = [];
    for (let k = 0; k < 5; k++) {
      const start = process.hrtime.bigint();
      await Promise.resolve(authenticator.identify(ask(login, 'x'))).catch(() => undefined);
      times.push(Number(process.hrtime.bigint() - start));
    }
    return Math.min(...times);
  };
  const ratio = (await time('eve')) / (await time('ann'));
  t.ok(ratio > 0.3 && ratio < 3, `ratio ${ratio}`);
  writeFileSync(file, '');
  t.ok((await time('eve')) > 1e6, 'even of an empty file');
});

t.test('the file is read again when it has changed, and a broken one changes nothing', async (t) => {
  const log: LogLine[] = [];
  const file = path.join(t.testdir(), 'users');
  writeFileSync(file, `ann:${HASH}\n`);
  const authenticator = new PasswordFileAuthenticator(file, recordingLogger(log));
  t.match(await authenticator.identify(ask('ann', 'päss word')), { name: 'ann' });
  writeFileSync(file, `bob:${HASH}:new\n`);
  t.equal(await authenticator.identify(ask('ann', 'päss word')), null);
  t.match(await authenticator.identify(ask('bob', 'päss word')), { roles: ['new'] });
  writeFileSync(file, 'bob:hunter2\n');
  t.match(await authenticator.identify(ask('bob', 'päss word')), { name: 'bob' });
  t.match(log.at(-1), { level: 'warn', fields: { reason: /^line 1: wants an argon2id hash/ } });
  t.notMatch(JSON.stringify(log), /hunter2/);
});

t.test('a line that is wrong is named, but not shown', async (t) => {
  const wrong: [string, RegExp][] = [
    ['ann', /^line 1: wants an argon2id hash/],
    ['ann:hunter2', /^line 1: wants an argon2id hash/],
    [`ann:${HASH.replace('argon2id', 'argon2i')}`, /argon2id/],
    [`ann:${HASH.slice(0, -30).replace('m=', 'x=')}`, /argon2id/],
    [`:${HASH}`, /^line 1: wants login:hash/],
    [`ann:${HASH}:a:b`, /^line 1: wants login:hash/],
    [`ann:${HASH}\n\nann:${HASH}`, /^line 3: .*second time/],
  ];
  for (const [text, message] of wrong) t.throws(() => parsePasswordFile(text), { message }, text.slice(0, 20));
});

t.test('an account is put in its place and leaves the rest alone', async (t) => {
  const entry = { login: 'ann', hash: 'H', roles: ['a', 'b'] };
  t.equal(withEntry('', entry), 'ann:H:a,b\n');
  t.equal(withEntry('# x\nanna:1\nann:2:r\nbob:3', entry), '# x\nanna:1\nann:H:a,b\nbob:3\n');
  t.equal(withEntry('bob:3\n', { ...entry, roles: [] }), 'bob:3\nann:H\n');
});

t.test('hoofbeat passwd makes a file that only its owner reads, and changes accounts in it', async (t) => {
  const directory = t.testdir();
  const file = path.join(directory, 'users');
  const passwd = (args: readonly string[], input: string): ReturnType<typeof runCommand> =>
    runCommand(t, ['passwd', file, ...args], { input });
  t.match(await passwd(['ann', '--roles', 'admin, audit'], 'first\n'), {
    exitCode: 0,
    stdout: `added ann in ${file}\n`,
  });
  t.equal(statSync(file).mode & 0o777, 0o600);
  t.match(await passwd(['bob'], 'other'), { exitCode: 0 });
  t.match(await passwd(['ann'], 'second\r\n'), { exitCode: 0, stdout: `changed ann in ${file}\n` });
  const authenticator = new PasswordFileAuthenticator(file, recordingLogger([]));
  t.strictSame(await authenticator.identify(ask('ann', 'second')), { name: 'ann', roles: ['admin', 'audit'] });
  t.strictSame(await authenticator.identify(ask('bob', 'other')), { name: 'bob', roles: [] });
  await t.rejects(Promise.resolve(authenticator.identify(ask('ann', 'first'))), REFUSED);
  t.strictSame(readdirSync(directory), ['users'], 'nothing is left beside it');
});

t.test('hoofbeat passwd refuses what would spoil the file', async (t) => {
  const directory = t.testdir({ 'not-ours.txt': 'hello\n' });
  const run = (args: readonly string[], input = 'x'): ReturnType<typeof runCommand> =>
    runCommand(t, ['passwd', ...args], { input });
  const file = path.join(directory, 'users');
  t.match(await run([file, 'a:b']), { exitCode: 2, stderr: /a login has no ":"/ });
  t.match(await run([file, 'ann'], ''), { exitCode: 1, stderr: 'the passcode is empty\n' });
  t.match(await run([file, 'ann'], 'a\nb\n'), { exitCode: 1, stderr: 'the passcode has more than one line\n' });
  const other = path.join(directory, 'not-ours.txt');
  t.match(await run([other, 'ann']), { exitCode: 1, stderr: /not-ours\.txt: line 1: wants/ });
  t.equal(readFileSync(other, 'utf8'), 'hello\n');
  t.match(await run([path.join(directory, 'none', 'users'), 'ann']), {
    exitCode: 1,
    stderr: /cannot be written \(ENOENT\)/,
  });
  t.strictSame(readdirSync(directory), ['not-ours.txt']);
});
