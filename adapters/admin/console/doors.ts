/**
 * How the console's page gets into the broker by STOMP: one door to look through, for what the broker tells of itself, and
 * one to try things as a client would. Both ask for an admin token in the CONNECT frame, as a page can set no header of a
 * WebSocket and a URL is kept by logs.
 */
import { BrokerError } from '../../../broker/errors.js';
import type { Authenticator, ConnectRequest, EntryTerms, Principal } from '../../../broker/ports.js';
import type { Actor, AdminAccess, AdminRole } from '../admin-access.js';
import type { AuditLog } from '../audit-log.js';
import { problemOf } from '../problem.js';

/** Masked where frames are shown (broker/frame-trace.ts). */
export const TOKEN_HEADER = 'admin-token';
/** Names the act in the audit log. */
const TRY_IT = 'connectAsClient';
/** Nobody's name: a console is no user, and is written to by nobody. */
const OBSERVER: Principal = Object.freeze({ name: null, roles: Object.freeze([]) });

/** For whoever may look: sees what the broker tells, sends nothing. */
export function observerTerms(access: AdminAccess): EntryTerms {
  return {
    isObserver: true,
    authenticator: {
      authenticate: async (request) => {
        await identify(access, request, 'viewer');
        return OBSERVER;
      },
    },
  };
}

/**
 * For operators: with the token the door is open, and behind it they are whoever login, passcode and headers say, as any
 * client; with the rights of that user and no others.
 * @param clients asked about everybody else's clients
 */
export function tryItTerms(access: AdminAccess, audit: AuditLog, clients: Authenticator): EntryTerms {
  const authenticate = async (request: ConnectRequest): Promise<Principal> => {
    const actor = await identify(access, request, 'operator');
    const headers = new Map(request.headers);
    headers.delete(TOKEN_HEADER);
    const entry = {
      actor: actor.name,
      role: actor.role,
      address: request.remoteAddress,
      operation: TRY_IT,
      subject: { login: request.login ?? null },
    };
    try {
      const principal = await clients.authenticate({ ...request, headers });
      audit.add({ ...entry, outcome: 'done' });
      return principal;
    } catch (error) {
      audit.add({ ...entry, outcome: error instanceof BrokerError ? error.code : 'internal' });
      throw error;
    }
  };
  return { isObserver: false, authenticator: { authenticate } };
}

/** @throws BrokerError `authentication-failed` */
async function identify(access: AdminAccess, { headers }: ConnectRequest, wanted: AdminRole): Promise<Actor> {
  const token = headers.get(TOKEN_HEADER);
  try {
    return await access.identify(token === undefined ? undefined : `Bearer ${token}`, wanted);
  } catch (error) {
    throw new BrokerError('authentication-failed', problemOf(error).message, { cause: error });
  }
}
