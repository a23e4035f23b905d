/** What Fastify refuses by itself, and what fails, in the words of an example's own refusals. */
import type { FastifyError, FastifyInstance } from 'fastify';

/** @param answer body of a refusal with this text: of what is no JSON, say, or too long; a fault of ours says no more */
export function answerFaults(app: FastifyInstance, answer: (text: string) => unknown): void {
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const status = error.statusCode ?? 500;
    if (status >= 500) request.log.error({ err: error }, 'a request failed');
    return reply.code(status).send(answer(status >= 500 ? 'Internal error' : error.message));
  });
}
