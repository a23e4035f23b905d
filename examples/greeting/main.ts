/** Starts the greeting example: `npm run example:greeting`, then http://localhost:8080; PORT takes another port. */
import { runExample } from '../shared/run-example.js';
import { createGreetingServer } from './server.js';

await runExample(() => createGreetingServer());
