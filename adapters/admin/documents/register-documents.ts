/** The API's documents and the pages that show them: everything is served from here, nothing from elsewhere. */
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance, onRequestAsyncHookHandler } from 'fastify';
import type { AdminParts } from '../admin-parts.js';
import type { AdminRoute } from '../admin-route.js';
import { asyncApiDocument } from './asyncapi.js';
import { ASYNC_PAGE, ASYNC_SCRIPT, ASYNC_STYLE, asyncContent } from './async-page.js';
import { openApiDocument } from './openapi.js';

const ONLY_OURS = "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; connect-src 'self'";
const PAGE_CSP = `${ONLY_OURS}; script-src 'self'; style-src 'self'`;
/** Swagger UI sets styles of its own on elements, and its icons are data. */
const SWAGGER_CSP = `${ONLY_OURS}; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:`;

export interface DocumentPorts {
  readonly parts: AdminParts;
  readonly routes: readonly AdminRoute[];
  /** In front of the routes' paths. */
  readonly prefix: string;
  /** Lets a viewer pass and nobody else. */
  readonly onRequest: readonly onRequestAsyncHookHandler[];
}

export async function registerDocuments(app: FastifyInstance, ports: DocumentPorts): Promise<void> {
  const { parts, routes, prefix, onRequest } = ports;
  const document = openApiDocument(routes, prefix, parts.server.version);
  await app.register(swagger, { mode: 'static', specification: { document: document as never } });
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: SWAGGER_CSP,
    // The bar on top is the package's own, and asks for other documents.
    theme: { title: 'hoofbeat admin API', css: [{ filename: 'hoofbeat.css', content: '.topbar { display: none; }' }] },
    uiConfig: { deepLinking: true, validatorUrl: null },
  });
  const page = (url: string, type: string, text: string): void => {
    app.get(url, (_request, reply) =>
      reply.header('content-security-policy', PAGE_CSP).type(`${type}; charset=utf-8`).serializer(String).send(text),
    );
  };
  page('/docs/async', 'text/html', ASYNC_PAGE);
  page('/docs/async/page.js', 'text/javascript', ASYNC_SCRIPT);
  page('/docs/async/page.css', 'text/css', ASYNC_STYLE);
  app.get('/docs/async/content', { onRequest: [...onRequest] }, (_request, reply) =>
    reply
      .type('text/html; charset=utf-8')
      .serializer(String)
      .send(asyncContent(asyncApiDocument(parts.broker, parts.server))),
  );
}
