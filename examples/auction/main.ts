/** Starts the auction: `npm run example:auction`, then http://localhost:8080; PORT takes another port. */
import { AuctionHouse } from './auction-house.js';
import { runDemo } from './demo.js';
import { createAuctionApp, tellChange } from './server.js';

const house = new AuctionHouse();
const app = await createAuctionApp({ house });
runDemo(house, (item) => void tellChange(app.broker, house, item));
await app.listen({ port: Number(process.env['PORT'] ?? 8080), host: 'localhost' });
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void app.close().then(() => process.exit()));
}
