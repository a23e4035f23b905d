/** Tokens of the examples that want one: signed here, with a secret of their own, for pages and for curl. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { decodeJwt, jwtVerify, SignJWT } from 'jose';
import { z } from 'zod';

export interface TokenUser {
  readonly userId: string;
  readonly username: string;
  readonly roles: readonly string[];
}

/** A token that is good for an hour. */
export function signToken({ userId, username, roles }: TokenUser, secret: string): Promise<string> {
  return new SignJWT({ username, roles: [...roles] })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(userId)
    .setIssuedAt()
    .setExpirationTime('1h')
    .sign(Buffer.from(secret));
}

const DemoUser = z.object({ userId: z.string().min(1), admin: z.boolean().default(false) });

/** `POST /api/demo/token` with `{"userId":…,"admin":true}` gives a token to anybody: for pages, and for curl. */
export function addDemoTokens(
  app: FastifyInstance,
  options: { readonly secret: string; readonly adminRole: string; readonly answer: (text: string) => unknown },
): void {
  app.post('/api/demo/token', async (request, reply) => {
    const asked = DemoUser.safeParse(request.body);
    if (!asked.success) return reply.code(400).send(options.answer('userId wants to be a text, admin true or false'));
    const { userId, admin } = asked.data;
    const roles = admin ? [options.adminRole] : [];
    return { token: await signToken({ userId, username: userId, roles }, options.secret) };
  });
}

/** What a token says that was verified before; null when it says too little. */
export function readToken(token: string): TokenUser | null {
  const { sub, username, roles } = decodeJwt(token);
  if (sub === undefined) return null;
  const list = Array.isArray(roles) ? roles.filter((role) => typeof role === 'string') : [];
  return { userId: sub, username: typeof username === 'string' ? username : sub, roles: list };
}

/** The token of `Authorization: Bearer …` or of `?token=`. */
export function tokenOf(url: string, authorization: string | undefined): string | null {
  const bearer = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
  return bearer ?? new URL(url, 'http://localhost').searchParams.get('token');
}

/**
 * The user of a REST call; answers 401 or 403 and returns null when there is none, or not with that role.
 * @param answer what a refusal looks like
 */
export async function userOf(
  request: FastifyRequest,
  reply: FastifyReply,
  options: { readonly secret: string; readonly role?: string; readonly answer: (text: string) => unknown },
): Promise<TokenUser | null> {
  const token = tokenOf('/', request.headers.authorization);
  try {
    if (token === null) throw new Error('no token');
    await jwtVerify(token, Buffer.from(options.secret), { algorithms: ['HS256'] });
  } catch {
    await reply.code(401).header('WWW-Authenticate', 'Bearer').send(options.answer('Authentication required'));
    return null;
  }
  const user = readToken(token);
  if (user !== null && (options.role === undefined || user.roles.includes(options.role))) return user;
  await reply.code(403).send(options.answer('Access denied'));
  return null;
}
