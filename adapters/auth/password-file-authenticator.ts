/** CONNECT with `login` and `passcode` against a file of argon2id hashes, read again when it has changed. */
import { BrokerError } from '../../broker/errors.js';
import type { ConnectRequest, Logger, Principal } from '../../broker/ports.js';
import type { Identifier } from './identifier.js';
import { HASH_OF_NOBODY, verifyPasscode } from './passcode-hash.js';
import { parsePasswordFile, type PasswordEntry } from './password-file.js';
import { WatchedFile } from './watched-file.js';

export class PasswordFileAuthenticator implements Identifier {
  readonly checksPasscodes = true;
  readonly #file: WatchedFile<ReadonlyMap<string, PasswordEntry>>;

  constructor(path: string, logger: Logger) {
    this.#file = new WatchedFile(path, parsePasswordFile, logger);
  }

  /** Reads the file once, so that a server with a broken one does not start. Rejects with what is wrong. */
  async load(): Promise<void> {
    await this.#file.read();
  }

  /** Null without login and passcode, and for a login that is not in the file, after as much work as for one that is. */
  identify({ login = '', passcode = '' }: ConnectRequest): Promise<Principal | null> | null {
    return login === '' && passcode === '' ? null : this.#check(login, passcode);
  }

  async #check(login: string, passcode: string): Promise<Principal | null> {
    const accounts = await this.#file.read();
    const account = accounts.get(login);
    const [first] = accounts.values();
    const isRight = await verifyPasscode(account?.hash ?? first?.hash ?? HASH_OF_NOBODY, passcode);
    if (account === undefined) return null;
    if (!isRight) throw new BrokerError('authentication-failed', 'Bad login or passcode');
    return { name: account.login, roles: account.roles };
  }
}
