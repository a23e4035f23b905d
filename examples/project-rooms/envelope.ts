/** What every message of project-rooms looks like, in both directions. */
import { randomUUID } from 'node:crypto';

export const MESSAGE_TYPES = [
  'task_created',
  'task_updated',
  'task_deleted',
  'project_updated',
  'status_changed',
  'user_joined',
  'user_left',
  'ping',
  'pong',
  'auth_required',
  'auth_success',
  'auth_failed',
  'error',
  'subscription',
] as const;

export const ERROR_CODES = [
  'invalid_message',
  'rate_limited',
  'unauthorized',
  'processing_error',
  'connection_closed',
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

export interface Envelope {
  readonly type: string;
  readonly data: unknown;
  /** RFC 3339. */
  readonly timestamp: string;
  /** A UUID. */
  readonly message_id: string;
}

/** @param type of MESSAGE_TYPES, or one that the application adds */
export function envelope(type: string, data: unknown): Envelope {
  return { type, data, timestamp: new Date().toISOString(), message_id: randomUUID() };
}

export function errorEnvelope(code: ErrorCode, message: string): Envelope {
  return envelope('error', { code, message });
}
