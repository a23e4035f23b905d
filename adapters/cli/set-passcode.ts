/** The work of `hoofbeat passwd`, loaded only when it runs: the hash comes with a native library. */
import { readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline/promises';
import { text } from 'node:stream/consumers';
import { Writable } from 'node:stream';
import { hashPasscode, isStorableLogin, parsePasswordFile, splitRoles, withEntry } from '../auth/index.js';
import { CliError, ExitCode } from './exit-code.js';

export interface PasswdFlags {
  readonly roles?: string;
}

/** Only its owner reads a file of hashes. */
const NEW_FILE_MODE = 0o600;

/** @throws CliError of one line; then the file is as it was */
export async function setPasscode(file: string, login: string, flags: PasswdFlags): Promise<void> {
  if (!isStorableLogin(login)) {
    throw new CliError(
      `a login has no ":", no "#" in front and no blanks around it: ${JSON.stringify(login)}`,
      ExitCode.usage,
    );
  }
  const roles = flags.roles === undefined ? undefined : splitRoles(flags.roles);
  if (roles?.some((role) => /[:\r\n]/.test(role))) throw new CliError('a role has no ":"', ExitCode.usage);
  const before = await readExisting(file);
  const known = parsed(file, before.text).get(login);
  const passcode = process.stdin.isTTY ? await askTwice() : (await text(process.stdin)).replace(/\r?\n$/, '');
  if (passcode === '') throw new CliError('the passcode is empty');
  if (/[\r\n]/.test(passcode)) throw new CliError('the passcode has more than one line');
  const entry = { login, hash: await hashPasscode(passcode), roles: roles ?? known?.roles ?? [] };
  await replaceFile(file, withEntry(before.text, entry), before.mode);
  process.stdout.write(`${known === undefined ? 'added' : 'changed'} ${login} in ${file}\n`);
}

async function readExisting(file: string): Promise<{ readonly text: string; readonly mode: number }> {
  try {
    return { text: await readFile(file, 'utf8'), mode: (await stat(file)).mode & 0o777 };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return { text: '', mode: NEW_FILE_MODE };
    throw new CliError(`${file}: cannot be read (${code ?? 'unknown'})`);
  }
}

/** A file that is something else is not to be written into. */
function parsed(file: string, contents: string): ReturnType<typeof parsePasswordFile> {
  try {
    return parsePasswordFile(contents);
  } catch (error) {
    throw new CliError(`${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** In one step: a server that reads it meanwhile sees the old or the new one. */
async function replaceFile(file: string, contents: string, mode: number): Promise<void> {
  const aside = `${file}.${process.pid}.new`;
  try {
    await writeFile(aside, contents, { mode, flag: 'wx' });
    await rename(aside, file);
  } catch (error) {
    await rm(aside, { force: true });
    throw new CliError(`${file}: cannot be written (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`);
  }
}

async function askTwice(): Promise<string> {
  const passcode = await ask('Passcode: ');
  if ((await ask('Again: ')) !== passcode) throw new CliError('the two differ');
  return passcode;
}

/** What is typed is not shown. */
async function ask(question: string): Promise<string> {
  const nowhere = new Writable({
    write: (_chunk, _encoding, done) => {
      done();
    },
  });
  process.stderr.write(question);
  const terminal = createInterface({ input: process.stdin, output: nowhere, terminal: true });
  const interrupted = new Promise<never>((_resolve, reject) => {
    terminal.on('SIGINT', () => {
      reject(new CliError('interrupted'));
    });
  });
  try {
    return await Promise.race([terminal.question(''), interrupted]);
  } finally {
    terminal.close();
    process.stderr.write('\n');
  }
}
