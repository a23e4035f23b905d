/** What a server of its own and a broker inside another one have in common when they are looked after: `admin` and reload. */
import type { Broker } from '../broker/broker.js';
import type { Clock, ListenAddress, Logger } from '../broker/ports.js';
import type { AdjustableLogger, ReloadResult } from './admin/index.js';
import { type ComposedAdmin, composeAdmin } from './admin-composition.js';
import type { ResolvedServerOptions } from './config/index.js';
import { LiveConfiguration } from './live-configuration.js';
import { packageVersion } from './package-version.js';
import type { ReloadableAccess } from './reloadable-access.js';
import { SystemClock } from './system-clock.js';
import type { WorkerState } from './workers/index.js';

export interface LookedAfterParts {
  readonly broker: Broker;
  readonly access: ReloadableAccess;
  readonly logger: Logger;
  readonly clock: Clock | undefined;
  /** Where it listens at the moment. */
  readonly addresses: () => readonly ListenAddress[];
  /** Processes that hold clients' sockets, where it is not this one. */
  readonly workers?: (() => readonly WorkerState[]) | undefined;
  /** Reads the configuration again, with defaults. Null: it was given as an object, and cannot have changed. */
  readonly read: (() => Promise<ResolvedServerOptions>) | null;
}

export interface LookedAfter {
  /** Null: off. */
  readonly admin: ComposedAdmin | null;
  /** @throws OptionsError; Error when there is nothing to read it from */
  readonly reload: (isDryRun: boolean) => Promise<ReloadResult>;
}

/** @throws OptionsError for a file of a token that cannot be used */
export function lookAfter(options: ResolvedServerOptions, parts: LookedAfterParts): LookedAfter {
  const { broker, access, addresses, read } = parts;
  // pino's level can be set; of another logger it may be that nothing comes of it.
  const logger = parts.logger as AdjustableLogger;
  const clock = parts.clock ?? new SystemClock();
  const live = new LiveConfiguration(options, {
    broker,
    access,
    logger,
    read: read ?? (() => Promise.reject(new Error('the configuration was given as an object'))),
  });
  const reload = (isDryRun: boolean): Promise<ReloadResult> => live.reload(isDryRun);
  if (options.admin === false) return { admin: null, reload };
  const admin = composeAdmin(options.admin, {
    broker,
    clock,
    logger,
    authenticator: access.authenticator,
    isHttpProxyTrusted: options.http !== false && options.http.endpoints.some(({ trustProxy }) => trustProxy),
    server: {
      version: packageVersion(),
      startedEpochMs: clock.epochMs(),
      workers: options.workers,
      workerStates: parts.workers ?? (() => []),
      get addresses() {
        return addresses();
      },
      endpoints: (options.http === false ? [] : options.http.endpoints).map(({ path, sockjs }) => ({
        path,
        isSockJs: sockjs !== false,
      })),
      configuration: () => live.shown(),
      reload: read === null ? null : reload,
    },
  });
  return { admin, reload };
}
