/** Three roles, each with what those before it may. The server decides; the page only does not offer what it would refuse. */
import { actor } from './api.js';
import type { Role } from './api-types.js';

const ROLES: readonly Role[] = ['viewer', 'operator', 'admin'];

export function mayBe(has: Role, wanted: Role): boolean {
  return ROLES.indexOf(has) >= ROLES.indexOf(wanted);
}

/** Whether who is logged in may. */
export function may(wanted: Role): boolean {
  return actor.value !== null && mayBe(actor.value.role, wanted);
}
