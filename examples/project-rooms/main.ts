/**
 * Starts project-rooms: `npm run example:project-rooms`, then http://localhost:8080; PORT takes another port, and what
 * shared/operation.ts reads.
 */
import { randomBytes } from 'node:crypto';
import { operationFromEnvironment } from '../shared/operation.js';
import { runExample } from '../shared/run-example.js';
import { fillBoard } from './demo.js';
import { createProjectRoomsApp } from './server.js';

await runExample(async () => {
  const secret = process.env['JWT_SECRET'] ?? randomBytes(32).toString('hex');
  const { app, board } = await createProjectRoomsApp({ secret, demo: true, ...operationFromEnvironment() });
  await fillBoard(board);
  return app;
});
