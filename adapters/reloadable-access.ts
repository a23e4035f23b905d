/**
 * Who is let in and what they may do, as the configuration says now: another version of `auth` can take the place of the
 * first while the server runs. New CONNECTs and everything that rules are asked from then on go by it.
 */
import type {
  AuthorizationRequest,
  Authenticator,
  Authorizer,
  Clock,
  ConnectRequest,
  Logger,
  Principal,
} from '../broker/ports.js';
import { type Access, type AccessPorts, composeAccess } from './access.js';
import type { ResolvedServerOptions } from './config/index.js';

interface Around {
  readonly clock: Clock;
  readonly logger: Logger;
}

export class ReloadableAccess {
  readonly authenticator: Authenticator;
  /** Null when everything was allowed at the start: then nobody is ever asked. */
  readonly authorizer: Authorizer | null;
  readonly #ports: AccessPorts;
  readonly #around: Around;
  #access: Access;
  #forget: (() => void) | null = null;

  /** @throws OptionsError for a rule with a pattern that is none */
  constructor(options: ResolvedServerOptions, ports: AccessPorts, around: Around) {
    this.#ports = ports;
    this.#around = around;
    this.#access = composeAccess(options, ports, around);
    this.authenticator = {
      authenticate: (request: ConnectRequest): Principal | Promise<Principal> =>
        this.#access.authenticator.authenticate(request),
    };
    this.authorizer =
      this.#access.authorizer === null
        ? null
        : {
            isAllowed: (request: AuthorizationRequest): boolean | Promise<boolean> =>
              this.#access.authorizer?.isAllowed(request) ?? true,
            onChange: (forget: () => void): void => {
              this.#forget = forget;
              this.#access.authorizer?.onChange?.(forget);
            },
          };
  }

  /** To be awaited before the broker starts. @throws OptionsError when a file that `auth` names cannot be used */
  load(): Promise<void> {
    return this.#access.load();
  }

  /**
   * Makes another version ready. @returns what puts it into force
   * @throws OptionsError for rules or files that cannot be used; nothing has changed then
   */
  async prepare(options: ResolvedServerOptions): Promise<() => void> {
    const next = composeAccess(options, this.#ports, this.#around);
    await next.load();
    return () => {
      this.#access = next;
      const forget = this.#forget;
      if (forget === null) return;
      next.authorizer?.onChange?.(forget);
      forget();
    };
  }
}
