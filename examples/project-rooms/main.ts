/**
 * Starts project-rooms: `npm run example:project-rooms`, then http://localhost:8080; PORT takes another port, and what
 * shared/operation.ts reads.
 */
import { randomBytes } from 'node:crypto';
import { operationFromEnvironment } from '../shared/operation.js';
import { runExample } from '../shared/run-example.js';
import { createProjectRoomsApp } from './server.js';

await runExample(async () => {
  const secret = process.env['JWT_SECRET'] ?? randomBytes(32).toString('hex');
  const { app, board } = await createProjectRoomsApp({ secret, demo: true, ...operationFromEnvironment() });
  for (const title of ['Fence the paddock', 'Order hay', 'Mend the gate', 'Shoe the grey'])
    await board.create('stable', title);
  await board.update('stable', '2', { status: 'doing' });
  await board.update('stable', '4', { status: 'done' });
  return app;
});
