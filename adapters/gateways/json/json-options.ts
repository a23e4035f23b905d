/** Options of a JSON endpoint and their defaults. */
import type { EndpointOptions } from '../../transports/index.js';
import type { JsonMapping } from './json-mapping.js';

export interface JsonGatewayOptions extends Omit<
  EndpointOptions,
  'path' | 'lenientNul' | 'typedLines' | 'maxMessageBytes'
> {
  /** One path or several, e.g. one with SockJS and one without: `{ '/ws/jobs': true, '/ws/jobs-native': false }`. */
  readonly paths: Readonly<Record<string, boolean>>;
  readonly mapping: JsonMapping;
  /** Longest message of a client; beyond it the connection closes with 1009. Default 64 KiB. */
  readonly maxMessageBytes?: number | undefined;
  /** Refusals after which a client is disconnected (1008). Default: false, never. */
  readonly maxErrors?: number | false | undefined;
  /** How long without another one until they are forgotten. Default 10 minutes. */
  readonly errorResetMs?: number | undefined;
  /** How often a WebSocket is pinged; 0 never. SockJS has heart-beats of its own. Default 30,000. */
  readonly pingIntervalMs?: number | undefined;
  /** Silence, pongs included, after which a WebSocket is cut. Default: twice the interval. */
  readonly timeoutMs?: number | undefined;
}

export interface ResolvedJsonGatewayOptions {
  readonly mapping: JsonMapping;
  readonly maxErrors: number | false;
  readonly errorResetMs: number;
  readonly pingIntervalMs: number;
  readonly timeoutMs: number;
}

export const DEFAULT_JSON_GATEWAY_OPTIONS = Object.freeze({
  maxMessageBytes: 65_536,
  errorResetMs: 600_000,
  pingIntervalMs: 30_000,
});

export function resolveJsonGatewayOptions(given: JsonGatewayOptions): ResolvedJsonGatewayOptions {
  const { mapping, maxErrors = false } = given;
  const { errorResetMs = DEFAULT_JSON_GATEWAY_OPTIONS.errorResetMs } = given;
  const { pingIntervalMs = DEFAULT_JSON_GATEWAY_OPTIONS.pingIntervalMs } = given;
  const { timeoutMs = pingIntervalMs * 2 } = given;
  return { mapping, maxErrors, errorResetMs, pingIntervalMs, timeoutMs };
}
