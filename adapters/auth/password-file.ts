/** The text of a password file: one account a line, `login:hash` or `login:hash:role,role`; `#` begins a comment. */
import { isPasscodeHash } from './passcode-hash.js';

export interface PasswordEntry {
  readonly login: string;
  /** argon2id, PHC form. */
  readonly hash: string;
  readonly roles: readonly string[];
}

/** @throws Error naming the line and what is wrong with it, but not what it holds */
export function parsePasswordFile(text: string): ReadonlyMap<string, PasswordEntry> {
  const entries = new Map<string, PasswordEntry>();
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const at = `line ${index + 1}`;
    const [login = '', hash = '', roles = '', ...rest] = line.trimEnd().split(':');
    if (login === '' || rest.length > 0) throw new Error(`${at}: wants login:hash or login:hash:role,role`);
    if (!isPasscodeHash(hash))
      throw new Error(`${at}: wants an argon2id hash behind the login (hoofbeat passwd makes one)`);
    if (entries.has(login)) throw new Error(`${at}: names a login for the second time`);
    entries.set(login, { login, hash, roles: splitRoles(roles) });
  }
  return entries;
}

/** The text with the account of `entry.login` put in its place, or added; everything else, comments too, stays. */
export function withEntry(text: string, entry: PasswordEntry): string {
  const roles = entry.roles.length === 0 ? '' : `:${entry.roles.join(',')}`;
  const line = `${entry.login}:${entry.hash}${roles}`;
  const lines = text === '' ? [] : text.replace(/\r?\n$/, '').split(/\r?\n/);
  const at = lines.findIndex((each) => each.startsWith(`${entry.login}:`));
  if (at < 0) lines.push(line);
  else lines[at] = line;
  return `${lines.join('\n')}\n`;
}

/** Whether a login can stand in the file. */
export function isStorableLogin(login: string): boolean {
  return login !== '' && login.trim() === login && !login.startsWith('#') && !/[:\u0000-\u001f\u007f]/.test(login);
}

export function splitRoles(text: string): string[] {
  return text
    .split(',')
    .map((role) => role.trim())
    .filter((role) => role !== '');
}
