/**
 * The configuration in force, and how much of another version a running server can take on: the log level, everything
 * about who is let in and what they may do, and how many connections there may be. All else needs a restart, and is told.
 */
import type { Broker } from '../broker/broker.js';
import type { AdjustableLogger, ConfigurationChange, ReloadResult } from './admin/index.js';
import type { ResolvedServerOptions } from './config/index.js';
import type { ReloadableAccess } from './reloadable-access.js';

export interface LiveConfigurationParts {
  readonly broker: Broker;
  readonly access: ReloadableAccess;
  /** Whose level is set. */
  readonly logger: Pick<AdjustableLogger, 'level' | 'info'>;
  /** Reads it again, checked and with defaults. @throws OptionsError */
  readonly read: () => Promise<ResolvedServerOptions>;
}

/** Paths whose change takes effect at once, each with all that is under it. */
const LIVE = ['log.level', 'auth', 'broker.limits.maxConnections'] as const;
/** Names of options that are nobody's to see. */
const SECRET = /(passcode|password|token|secret)$|^(jwks)?url$/i;
const HIDDEN = '***';

export class LiveConfiguration {
  readonly #parts: LiveConfigurationParts;
  #current: ResolvedServerOptions;
  #running: Promise<unknown> = Promise.resolve();

  constructor(options: ResolvedServerOptions, parts: LiveConfigurationParts) {
    this.#current = options;
    this.#parts = parts;
  }

  /** As it was read last, with secrets hidden. */
  shown(): Readonly<Record<string, unknown>> {
    return hide(this.#current) as Record<string, unknown>;
  }

  /**
   * Reads it again and takes on what can be taken on: all of that, or nothing. One at a time.
   * @throws OptionsError with a line for every fault
   */
  reload(isDryRun: boolean): Promise<ReloadResult> {
    const reloading = this.#running.then(() => this.#reload(isDryRun));
    this.#running = reloading.catch(() => undefined);
    return reloading;
  }

  async #reload(isDryRun: boolean): Promise<ReloadResult> {
    const { access, read, logger, broker } = this.#parts;
    const next = await read();
    const changes = diff(this.#current, next, []);
    const isLive = ({ path }: Change): boolean => this.#isLive(path, next);
    const applied = changes.filter(isLive);
    const result = {
      isDryRun,
      applied: applied.map(shownChange),
      needsRestart: changes.filter((change) => !isLive(change)).map(shownChange),
    };
    // Also when it is only asked: a password file that cannot be read is a fault.
    const commit = await access.prepare(next);
    if (isDryRun) return result;
    // Files that `auth` names may be others under the same name.
    if (this.#isLive(['auth'], next)) commit();
    logger.level = next.log.level;
    broker.operations.tracesFrames = next.log.level === 'debug' || next.log.level === 'trace';
    broker.operations.maxConnections = next.broker.limits.maxConnections;
    this.#current = withLive(this.#current, applied);
    const names = (list: readonly ConfigurationChange[]): string[] => list.map(({ path }) => path);
    logger.info({ applied: names(result.applied), needsRestart: names(result.needsRestart) }, 'configuration reloaded');
    return result;
  }

  #isLive(path: readonly string[], next: ResolvedServerOptions): boolean {
    const name = path.join('.');
    if (!LIVE.some((live) => name === live || name.startsWith(`${live}.`))) return false;
    // Sessions that began without rules are asked for none.
    return path[0] !== 'auth' || this.#parts.access.authorizer !== null || next.auth.rules.length === 0;
  }
}

interface Change {
  readonly path: readonly string[];
  readonly from: unknown;
  readonly to: unknown;
}

/** Leaves that differ; a list is one. */
function diff(from: unknown, to: unknown, path: readonly string[]): Change[] {
  if (isBranch(from) && isBranch(to)) {
    const keys = new Set([...Object.keys(from), ...Object.keys(to)]);
    return [...keys].sort().flatMap((key) => diff(from[key], to[key], [...path, key]));
  }
  return JSON.stringify(from) === JSON.stringify(to) ? [] : [{ path, from, to }];
}

function isBranch(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function shownChange({ path, from, to }: Change): ConfigurationChange {
  const isSecret = SECRET.test(path.at(-1) ?? '');
  const show = (value: unknown): unknown => (isSecret && typeof value === 'string' ? HIDDEN : (hide(value) ?? null));
  return { path: path.join('.'), from: show(from), to: show(to) };
}

function hide(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(hide);
  if (!isBranch(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      SECRET.test(key) && typeof inner === 'string' ? HIDDEN : hide(inner),
    ]),
  );
}

function withLive(current: ResolvedServerOptions, applied: readonly Change[]): ResolvedServerOptions {
  const copy = structuredClone(current) as unknown as Record<string, unknown>;
  for (const { path, to } of applied) {
    let at = copy;
    for (const key of path.slice(0, -1)) at = at[key] as Record<string, unknown>;
    at[path.at(-1) ?? ''] = to;
  }
  return copy as unknown as ResolvedServerOptions;
}
