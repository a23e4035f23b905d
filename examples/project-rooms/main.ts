/** Starts project-rooms: `npm run example:project-rooms`, then http://localhost:8080; PORT takes another port. */
import { randomBytes } from 'node:crypto';
import { createProjectRoomsApp } from './server.js';

const secret = process.env['JWT_SECRET'] ?? randomBytes(32).toString('hex');
const { app, board } = await createProjectRoomsApp({ secret, demo: true });
for (const title of ['Fence the paddock', 'Order hay', 'Mend the gate', 'Shoe the grey'])
  await board.create('stable', title);
await board.update('stable', '2', { status: 'doing' });
await board.update('stable', '4', { status: 'done' });
await app.listen({ port: Number(process.env['PORT'] ?? 8080), host: 'localhost' });
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void app.close());
