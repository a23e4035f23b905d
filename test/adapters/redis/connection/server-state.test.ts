import t from 'tap';
import { whyUnusable } from '../../../../adapters/redis/connection/server-state.js';

const LOADING = ['# Persistence', 'loading:1', 'loading_loaded_perc:37.42', 'loading_eta_seconds:12', ''].join('\r\n');

t.test('one that loads its data is not used, whatever it is', async (t) => {
  const why = 'it loads its data (LOADING): 37 % are done, about 12 s are left';
  t.equal(whyUnusable(LOADING, false), why);
  t.equal(whyUnusable(`role:slave\r\n${LOADING}`, true), why);
  t.equal(whyUnusable('loading:1\r\n', false), 'it loads its data (LOADING)');
});

t.test('a replica is used unless a master is wanted', async (t) => {
  const replica = '# Persistence\r\nloading:0\r\nasync_loading:1\r\n# Replication\r\nrole:slave\r\n';
  t.equal(whyUnusable(replica, false), null);
  t.equal(whyUnusable(replica, true), 'it is a slave, wants the master');
  t.equal(whyUnusable('loading:0\r\nrole:master\r\n', true), null);
});

t.test('one that says nothing of it can be used', async (t) => {
  t.equal(whyUnusable('', true), null);
});
