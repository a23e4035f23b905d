/**
 * Starts the auction: `npm run example:auction`, then http://localhost:8080; PORT takes another port. TRUST_PROXY=1 behind a
 * proxy, and what shared/operation.ts reads.
 */
import { operationFromEnvironment } from '../shared/operation.js';
import { runExample } from '../shared/run-example.js';
import { AuctionHouse } from './auction-house.js';
import { runDemo } from './demo.js';
import { createAuctionApp, tellChange } from './server.js';

await runExample(async () => {
  const house = new AuctionHouse();
  const trustProxy = process.env['TRUST_PROXY'] === '1';
  const app = await createAuctionApp({ house, trustProxy, ...operationFromEnvironment() });
  const stop = runDemo(house, (item) => void tellChange(app.broker, house, item));
  app.addHook('preClose', (done) => {
    stop();
    done();
  });
  return app;
});
