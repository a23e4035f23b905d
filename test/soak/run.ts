/**
 * `npm run soak`: the soak for as long as `--minutes=` says (3), and what it has measured as a section of
 * test/hardening/REPORT.md.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { readSoakRecord, SOAK_RECORD, soakSection, withSection } from './soak-record.js';

const ROOT = path.resolve(import.meta.dirname, '../../..');
const REPORT = path.join(ROOT, 'test/hardening/REPORT.md');

const { minutes } = parseArgs({ options: { minutes: { type: 'string', default: '3' } } }).values;
const seconds = 60 * Number(minutes);
if (!(seconds > 0)) throw new Error(`--minutes: got ${minutes}, wants a number above 0`);
rmSync(SOAK_RECORD, { force: true });
const { status } = spawnSync(process.execPath, ['--enable-source-maps', 'dist/test/soak/soak.test.js'], {
  cwd: ROOT,
  stdio: 'inherit',
  env: { ...process.env, HOOFBEAT_SOAK_SECONDS: String(seconds), TAP_TIMEOUT: String(seconds + 600) },
});
const record = readSoakRecord();
if (record !== null) {
  writeFileSync(REPORT, withSection(readFileSync(REPORT, 'utf8'), soakSection(record)));
  spawnSync('npx', ['prettier', '--write', REPORT], { cwd: ROOT, stdio: 'ignore' });
}
process.exitCode = status ?? 1;
