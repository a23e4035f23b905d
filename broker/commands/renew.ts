/** SEND to `/app/$session/renew`: new credentials for a session that is open, before the old ones expire. */
import type { Frame } from '../../protocol/index.js';
import type { CommandContext } from './command-context.js';

/** Behind the application prefix; reserved. */
const RENEWAL_PATH = /^\/?\$session[/.]renew$/;

export function isRenewal(handlerPath: string): boolean {
  return RENEWAL_PATH.test(handlerPath);
}

/**
 * Shown as at CONNECT: `login` and `passcode`, `Authorization`, `token`, or the token as body.
 * @throws BrokerError `authentication-failed`, also for credentials of another user
 */
export function handleRenewal(context: CommandContext, frame: Frame): void | Promise<void> {
  const headers = frame.headers.toMap();
  if (frame.body.length > 0 && !headers.has('token')) headers.set('token', frame.body.toString());
  const shown = context.authenticate({ login: headers.get('login'), passcode: headers.get('passcode'), headers });
  if (!(shown instanceof Promise)) {
    context.renew(shown);
    return;
  }
  return shown.then((principal) => {
    context.renew(principal);
  });
}
