/** Claims of a verified token → the principal: its name, its roles, and when it stops being good. */
import { BrokerError } from '../../broker/errors.js';
import type { Principal } from '../../broker/ports.js';

export interface ClaimNames {
  /** Claim that holds the user's name; `a.b` is a path unless a claim has that very name. Default `sub`. */
  readonly userClaim?: string | undefined;
  /** Claim that holds the roles, as a list or separated by blanks; a path as above. Default `roles`. */
  readonly rolesClaim?: string | undefined;
}

type Claims = Readonly<Record<string, unknown>>;

/** The last moment that a Date can hold; a token that outlives it does not expire. */
const MAX_EPOCH_MS = 8.64e15;

/**
 * @param toleranceMs for how much longer than `exp` the token is good
 * @throws BrokerError `token-invalid` when it names nobody
 */
export function principalOf(claims: Claims, names: ClaimNames, toleranceMs: number): Principal {
  const name = claimAt(claims, names.userClaim ?? 'sub');
  if ((typeof name !== 'string' && typeof name !== 'number') || name === '') {
    throw new BrokerError('token-invalid', 'The token does not name a user');
  }
  const expiresAtMs = typeof claims['exp'] === 'number' ? claims['exp'] * 1000 + toleranceMs : Infinity;
  return {
    name: String(name),
    roles: rolesOf(claimAt(claims, names.rolesClaim ?? 'roles')),
    ...(expiresAtMs <= MAX_EPOCH_MS ? { expiresAtMs } : {}),
  };
}

function rolesOf(claim: unknown): readonly string[] {
  if (typeof claim === 'string') return claim.split(/\s+/).filter((role) => role !== '');
  return Array.isArray(claim) ? claim.filter((role): role is string => typeof role === 'string' && role !== '') : [];
}

/** `realm_access.roles` walks; `https://shop.example/roles` is one name. */
function claimAt(claims: Claims, path: string): unknown {
  if (Object.hasOwn(claims, path)) return claims[path];
  let value: unknown = claims;
  for (const name of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Claims)[name];
  }
  return value;
}
