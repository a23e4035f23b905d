/** Who may ask the admin API: bearer tokens of the configuration, each with a role, and JSON Web Tokens whose claim names one. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { BrokerError } from '../../broker/errors.js';
import type { Principal } from '../../broker/ports.js';
import { Problem } from './problem.js';

/** Least to most: each may do what those before it may. */
export const ADMIN_ROLES = ['viewer', 'operator', 'admin'] as const;

export type AdminRole = (typeof ADMIN_ROLES)[number];

export interface AdminToken {
  /** What the audit log calls whoever shows it. */
  readonly name: string;
  readonly role: AdminRole;
  readonly token: string;
}

/** Who a request comes from. */
export interface Actor {
  readonly name: string;
  readonly role: AdminRole;
}

/** @throws BrokerError `token-invalid`, `token-expired`, `keys-unreachable` */
export type VerifyToken = (token: string) => Promise<Principal>;

interface KnownToken {
  readonly actor: Actor;
  readonly digest: Buffer;
}

export class AdminAccess {
  readonly #tokens: readonly KnownToken[];
  readonly #verify: VerifyToken | null;

  /** @param verify null: only tokens of the configuration are good */
  constructor(tokens: readonly AdminToken[], verify: VerifyToken | null) {
    this.#tokens = tokens.map(({ name, role, token }) => ({ actor: { name, role }, digest: digestOf(token) }));
    this.#verify = verify;
  }

  /** Nobody could ever come in: then there is nothing to come in to. */
  get isClosed(): boolean {
    return this.#tokens.length === 0 && this.#verify === null;
  }

  /** @throws Problem `token-missing`, `token-invalid`, `token-expired`, `role-missing`, `unavailable` */
  async identify(authorization: string | undefined, wanted: AdminRole): Promise<Actor> {
    const token = /^Bearer +([^\s]+) *$/i.exec(authorization ?? '')?.[1];
    if (token === undefined) throw new Problem('token-missing');
    const actor = this.#known(token) ?? (await this.#verified(token));
    if (ADMIN_ROLES.indexOf(actor.role) >= ADMIN_ROLES.indexOf(wanted)) return actor;
    throw new Problem('role-missing', `This needs the role ${wanted}, and the token has ${actor.role}`);
  }

  /** All are compared, each in constant time: how long it takes tells nothing of any of them. */
  #known(token: string): Actor | null {
    const digest = digestOf(token);
    let found: Actor | null = null;
    for (const known of this.#tokens) if (timingSafeEqual(known.digest, digest)) found = known.actor;
    return found;
  }

  async #verified(token: string): Promise<Actor> {
    // What has not the form of a JWT is no concern of its keys.
    if (this.#verify === null || !/^[\w-]+\.[\w-]+\.[\w-]*$/.test(token)) throw new Problem('token-invalid');
    try {
      const { name, roles } = await this.#verify(token);
      const role = ADMIN_ROLES.findLast((each) => roles.includes(each));
      if (role !== undefined) return { name: name ?? '', role };
    } catch (error) {
      throw error instanceof BrokerError ? refusalOf(error) : error;
    }
    throw new Problem('role-missing', `The token names none of ${ADMIN_ROLES.join(', ')}`);
  }
}

function refusalOf(error: BrokerError): Problem {
  if (error.code === 'token-expired') return new Problem('token-expired', error.message);
  if (error.code === 'keys-unreachable') return new Problem('unavailable', error.message, { brokerCode: error.code });
  return new Problem('token-invalid', error.message);
}

function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
