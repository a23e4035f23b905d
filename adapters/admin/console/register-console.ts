/** Serves the console: static files with a strict policy, and two STOMP endpoints beside them. */
import type { FastifyInstance } from 'fastify';
import type { AdminParts } from '../admin-parts.js';
import { consoleFiles } from './console-files.js';
import { observerTerms, tryItTerms } from './doors.js';

/**
 * Nothing from elsewhere, nothing in the page itself: no script or style stands in the HTML, nothing is evaluated, no text
 * becomes HTML (Trusted Types). WebSockets to this very server are `'self'`.
 */
export const CONSOLE_CSP = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

/** @param app in whose context `/console` is, under the prefix it has */
export function registerConsole(app: FastifyInstance, { access, audit, console }: AdminParts): void {
  if (console === null) return;
  for (const [name, { type, content, etag }] of consoleFiles()) {
    const url = `/console/${name === 'index.html' ? '' : name}`;
    app.get(url, (request, reply) => {
      reply.header('content-security-policy', CONSOLE_CSP).header('cache-control', 'no-cache').header('etag', etag);
      if (request.headers['if-none-match'] === etag) return reply.code(304).send();
      return reply.type(type).serializer(passed).send(content);
    });
  }
  // Relative: whatever prefix a proxy puts in front stays there.
  app.get('/console', (_request, reply) => reply.code(302).header('location', 'console/').send());
  const doors = [
    console.openDoor(app.server, `${app.prefix}/console/live`, observerTerms(access)),
    console.openDoor(app.server, `${app.prefix}/console/try`, tryItTerms(access, audit, console.authenticator)),
  ];
  app.addHook('onClose', async () => {
    for (const close of doors) close();
  });
}

/** Octets as they are. */
function passed(content: unknown): string {
  return content as string;
}
