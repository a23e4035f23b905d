/** One way to tell who a client is; ChainAuthenticator makes an Authenticator of several. */
import type { ConnectRequest, Principal } from '../../broker/ports.js';

export interface Identifier {
  /**
   * The principal that the client has shown itself to be; null when it shows nothing of this kind. Without a promise where
   * nothing has to be waited for.
   * @throws BrokerError when what is shown is wrong: that is final, whatever other ways there are
   */
  identify(request: ConnectRequest): Principal | null | Promise<Principal | null>;
  /** Whether it checks `login` and `passcode`: then wrong ones are a refusal, not an anonymous client. */
  readonly checksPasscodes?: boolean | undefined;
}
