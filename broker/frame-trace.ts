/** Frames as fields of a debug log line, and as operators see them, with what must stay secret masked (DESIGN D10, conformance C-17). */
import type { Frame, Headers } from '../protocol/index.js';

const SECRET = /^(passcode|password|authorization|cookie|token|access_token|admin-token|x-api-key)$|[cx]srf/i;
/** The body may be a token there (commands/renew.ts). */
const RENEWAL = /\$session[/.]renew$/;
const MAX_BODY_CHARACTERS = 200;

export interface TracedFrame {
  readonly command: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly bodyBytes: number;
  /** The beginning of the body. */
  readonly body: string;
}

export function traceFrame(frame: Frame): TracedFrame {
  const isSecretBody = RENEWAL.test(frame.headers.get('destination') ?? '');
  return {
    command: frame.command,
    headers: maskHeaders(frame.headers),
    bodyBytes: frame.body.length,
    body: isSecretBody ? '***' : frame.body.toString('utf8', 0, MAX_BODY_CHARACTERS),
  };
}

/** All headers in their order, and the body. */
export function maskFrame({ headers, body }: Frame): {
  readonly headers: (readonly [name: string, value: string])[];
  readonly body: Buffer;
} {
  const isSecretBody = RENEWAL.test(headers.get('destination') ?? '');
  return {
    headers: [...headers].map(([name, value]) => [name, SECRET.test(name) ? '***' : value]),
    body: isSecretBody ? Buffer.from('***') : body,
  };
}

function maskHeaders(headers: Headers): Record<string, string> {
  const masked = Object.create(null) as Record<string, string>;
  for (const [name, value] of headers) masked[name] ??= SECRET.test(name) ? '***' : value;
  return masked;
}
