/** What every example can be given beside its own options: what hoofbeat does when it is run for more than a look. */
import type { EmbeddedOptions } from '../../adapters/index.js';

/** A directory for what is to survive a restart, other nodes over Redis, an admin API with metrics. Default: none. */
export type OperationOptions = Pick<EmbeddedOptions, 'data' | 'relay' | 'admin'>;

/**
 * From the environment: `DATA`, a directory; `REDIS_URL`, which other nodes have too; `ADMIN_TOKEN` and `ADMIN_PORT`
 * (default 8081), where `/metrics` is for Prometheus with that token.
 */
export function operationFromEnvironment(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): OperationOptions {
  const { DATA: data, REDIS_URL: url, ADMIN_TOKEN: token, ADMIN_PORT: port = '8081' } = environment;
  return {
    ...(data === undefined ? {} : { data }),
    ...(url === undefined ? {} : { relay: { type: 'redis', url } }),
    ...(token === undefined
      ? {}
      : { admin: { port: Number(port), tokens: [{ name: 'admin', role: 'admin', token }] } }),
  };
}

/** Only these, of the options of an example. */
export function operationOf({ data, relay, admin }: OperationOptions): OperationOptions {
  return { data, relay, admin };
}
