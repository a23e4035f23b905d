/** Starts job-status: `npm run example:job-status`, then http://localhost:8080; PORT takes another port. */
import { randomBytes } from 'node:crypto';
import { runDemoJobs } from './demo.js';
import { createJobStatusApp } from './server.js';

const secret = process.env['JWT_SECRET'] ?? randomBytes(32).toString('hex');
const { app, notifier, owners } = await createJobStatusApp({ secret, demo: true });
const stop = runDemoJobs(notifier, owners, 'ann');
await app.listen({ port: Number(process.env['PORT'] ?? 8080), host: 'localhost' });
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    stop();
    void app.close();
  });
}
