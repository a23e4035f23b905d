/**
 * Starts job-status: `npm run example:job-status`, then http://localhost:8080; PORT takes another port, DEBUG=websocket,jobs
 * logs these, and what shared/operation.ts reads.
 */
import { randomBytes } from 'node:crypto';
import { operationFromEnvironment } from '../shared/operation.js';
import { runExample } from '../shared/run-example.js';
import { runDemoJobs } from './demo.js';
import { createJobStatusApp } from './server.js';

await runExample(async () => {
  const secret = process.env['JWT_SECRET'] ?? randomBytes(32).toString('hex');
  const named = process.env['DEBUG']?.split(',') ?? [];
  const debug = (['websocket', 'jobs'] as const).filter((component) => named.includes(component));
  const { app, notifier, owners } = await createJobStatusApp({
    secret,
    debug,
    demo: true,
    ...operationFromEnvironment(),
  });
  const stop = runDemoJobs(notifier, owners, 'ann');
  app.addHook('preClose', (done) => {
    stop();
    done();
  });
  return app;
});
