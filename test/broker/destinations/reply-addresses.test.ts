import t from 'tap';
import { ReplyAddresses } from '../../../broker/destinations/reply-addresses.js';
import type { Route } from '../../../broker/destinations/route.js';

t.test('addresses of the application can be told from those of sessions', async (t) => {
  const addresses = new ReplyAddresses(() => 'app');
  const [own, session] = [addresses.create('application'), addresses.create('session')];
  t.equal(own, '/reply-queue/app~app');
  t.equal(session, '/reply-queue/app');
  t.equal(addresses.isOfApplication(own), true);
  t.equal(addresses.isOfApplication(session), false);
});

t.test('an address is found from set to delete', async (t) => {
  const addresses = new ReplyAddresses(() => 'x');
  const address = addresses.create('session');
  t.equal(addresses.find(address), undefined);
  // Nothing is asked of it here.
  const route = {} as Route;
  addresses.set(address, route);
  t.equal(addresses.find(address), route);
  addresses.delete(address);
  t.equal(addresses.find(address), undefined);
  t.equal(addresses.size, 0);
});
