/** What the admin API refuses: problem details (RFC 9457) with a stable code; one table of them. */
import { BrokerError, type BrokerErrorCode } from '../../broker/errors.js';

const PROBLEMS = {
  'request-invalid': { status: 400, title: 'The request does not have the form that the API wants' },
  'cursor-invalid': { status: 400, title: 'The cursor is none, or is of another order' },
  'token-missing': { status: 401, title: 'The request shows no bearer token' },
  'token-invalid': { status: 401, title: 'The token is not one of this server' },
  'token-expired': { status: 401, title: 'The token has expired' },
  'role-missing': { status: 403, title: 'The token does not have the role that this needs' },
  'not-found': { status: 404, title: 'There is no such thing' },
  'body-too-large': { status: 413, title: 'The body is larger than the API takes' },
  'media-type-unknown': { status: 415, title: 'The body is not JSON' },
  'reload-unavailable': {
    status: 409,
    title: 'The server was not started from a configuration that can be read again',
  },
  'configuration-invalid': { status: 422, title: 'The configuration has faults' },
  'broker-refused': { status: 422, title: 'The broker refuses it' },
  'rate-limited': { status: 429, title: 'Too many requests from this address' },
  internal: { status: 500, title: 'A fault of the server; the log has it' },
  'not-ready': { status: 503, title: 'The server does not take connections' },
  'too-busy': { status: 503, title: 'Too many lists, or taps, are asked for at once' },
  unavailable: { status: 503, title: 'What this needs cannot be reached at the moment' },
} as const;

export type ProblemCode = keyof typeof PROBLEMS;

/** Code → status and what it means; the README's table is held equal to this by a test. */
export const PROBLEM_CODES: Readonly<Record<ProblemCode, { readonly status: number; readonly title: string }>> =
  PROBLEMS;

export const PROBLEM_MEDIA_TYPE = 'application/problem+json';

/** As it is sent. */
export interface ProblemBody {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: ProblemCode;
  readonly detail?: string;
  /** The path that was asked. */
  readonly instance?: string;
  /** Of the broker's own refusal. */
  readonly brokerCode?: BrokerErrorCode;
  /** One line for each fault. */
  readonly errors?: readonly string[];
}

export interface ProblemDetails {
  readonly brokerCode?: BrokerErrorCode;
  readonly errors?: readonly string[];
  readonly cause?: unknown;
}

export class Problem extends Error {
  override readonly name = 'Problem';
  readonly code: ProblemCode;
  readonly #details: ProblemDetails;

  constructor(code: ProblemCode, message = PROBLEMS[code].title as string, details: ProblemDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.#details = details;
  }

  get status(): number {
    return PROBLEMS[this.code].status;
  }

  body(instance: string): ProblemBody {
    const { title, status } = PROBLEMS[this.code];
    const { brokerCode, errors } = this.#details;
    return {
      type: `urn:hoofbeat:problem:${this.code}`,
      title,
      status,
      code: this.code,
      ...(this.message === title ? {} : { detail: this.message }),
      instance,
      ...(brokerCode === undefined ? {} : { brokerCode }),
      ...(errors === undefined ? {} : { errors }),
    };
  }
}

/** What the broker says of an outage is no fault of the request. */
const OUTAGES: ReadonlySet<BrokerErrorCode> = new Set<BrokerErrorCode>([
  'store-failed',
  'store-full',
  'relay-unavailable',
  'relay-lost',
  'server-shutdown',
]);

/** What the web framework itself finds. */
const FRAMEWORK_CODES: Readonly<Record<string, ProblemCode | undefined>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'body-too-large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'media-type-unknown',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'request-invalid',
  FST_ERR_CTP_INVALID_JSON_BODY: 'request-invalid',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'request-invalid',
};

/** Any error as a problem; one that nobody knows is `internal`, without a word of its own. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof BrokerError) {
    const code = OUTAGES.has(error.code) ? 'unavailable' : 'broker-refused';
    return new Problem(code, error.message, { brokerCode: error.code, cause: error });
  }
  const { code, statusCode, message } = error as { code?: unknown; statusCode?: unknown; message?: unknown };
  const known = typeof code === 'string' ? FRAMEWORK_CODES[code] : undefined;
  if (known !== undefined) return new Problem(known, String(message));
  // A body that is no JSON comes as the parser's own error.
  if (statusCode === 400) return new Problem('request-invalid', String(message));
  return new Problem('internal', undefined, { cause: error });
}
