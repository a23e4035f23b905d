/** The curl examples of the README's "Operate it" are run as they stand, against a server of its own. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { PROBLEM_CODES } from '../../adapters/admin/index.js';
import { DEFAULT_ADMIN_OPTIONS, parseConfig, resolveServerOptions } from '../../adapters/config/index.js';
import { startAdmin, TOKENS } from '../helpers/admin.js';
import { requireProgram } from '../helpers/programs.js';
import { RawClient } from '../helpers/raw-client.js';

const README = readFileSync(path.resolve(import.meta.dirname, '../../../README.md'), 'utf8');
const [, SECTION = ''] = /\n## Operate it\n([^]*?)\n## /.exec(README) ?? [];
const run = promisify(execFile);

t.test('every curl example is answered as it says', async (t) => {
  if (!requireProgram(t, 'curl')) return;
  const { origin, server, tcpPort } = await startAdmin(
    t,
    {},
    { auth: { users: [{ login: 'ann', passcode: 'x' }] } },
    { readOptions: () => Promise.resolve({ data: false, auth: { users: [{ login: 'ann', passcode: 'x' }] } }) },
  );
  const ann = await RawClient.openFor(t, tcpPort);
  await ann.connect('1.2', { login: 'ann', passcode: 'x' });
  await server.broker.convertAndSend('/queue/DLQ', 'dead', { 'original-destination': '/queue/jobs' });
  const [, examples = ''] = /```sh\n([^]*?)```/.exec(SECTION) ?? [];
  const commands = examples.trim().split('\n');
  t.ok(commands.length > 10);
  for (const command of commands) {
    const line = command
      .replaceAll('http://127.0.0.1:8081', origin)
      .replace(/^curl/, 'curl --silent --show-error --fail-with-body');
    const { stdout } = await run('/bin/sh', ['-c', line], { env: { ...process.env, TOKEN: TOKENS.admin } });
    t.match(JSON.parse(stdout), Object, command);
  }
});

t.test('the options are shown with their defaults', async (t) => {
  const [, yaml = ''] = /Its options with their defaults:\s+```yaml\n([^]*?)```/.exec(SECTION) ?? [];
  const { admin: shown } = resolveServerOptions(parseConfig(yaml, 'README.md'));
  const { admin: standard } = resolveServerOptions({ admin: true });
  t.strictSame(shown, standard);
  for (const key of Object.keys(DEFAULT_ADMIN_OPTIONS)) t.match(yaml, new RegExp(`^  ${key}:`, 'm'), key);
});

t.test('the table of problems is the table of the code', async (t) => {
  const rows = [...SECTION.matchAll(/^\| `([^`]+)` +\| (\d+): (.*?) +\|$/gm)];
  t.strictSame(
    Object.fromEntries(rows.map(([, code, status, title]) => [code, { status: Number(status), title }])),
    PROBLEM_CODES,
  );
});
