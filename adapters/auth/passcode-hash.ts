/** Passcodes as argon2id hashes in PHC form; the one file that knows the library. */
import { hash, parseOptions, verify } from '@node-rs/argon2';

/** A hash of nothing that anybody knows, with the parameters of `hashPasscode`. */
export const HASH_OF_NOBODY =
  '$argon2id$v=19$m=19456,t=2,p=1$HbNIkqwLP3vmRYoyU4qLOA$B3i97J8GkAVJpXQlE7etvoyizkpLwN4y0s0tbaFrcX0';

/** Salted; 19 MiB and two passes, the library's default and OWASP's recommendation. */
export function hashPasscode(passcode: string): Promise<string> {
  return hash(passcode);
}

/** Some 20 ms of another thread. Rejects when `hashed` is no hash. */
export function verifyPasscode(hashed: string, passcode: string): Promise<boolean> {
  return verify(hashed, passcode);
}

/** Whether it is an argon2id hash that `verifyPasscode` understands. */
export function isPasscodeHash(text: string): boolean {
  if (!text.startsWith('$argon2id$')) return false;
  try {
    parseOptions(text);
    return true;
  } catch {
    return false;
  }
}
