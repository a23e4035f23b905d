import t from 'tap';
import { applyOverrides, readEnvironment } from '../../../adapters/cli/overrides.js';

t.test('HOOFBEAT_REDIS_URL makes a node of a cluster, or names another Redis', async (t) => {
  const over = readEnvironment({ HOOFBEAT_REDIS_URL: 'redis://r' });
  t.strictSame(applyOverrides({}, over).relay, { type: 'redis', url: 'redis://r' });
  t.strictSame(applyOverrides({ relay: false }, over).relay, { type: 'redis', url: 'redis://r' });
  const relay = { type: 'redis', url: 'redis://file', keyPrefix: 'x:' } as const;
  t.strictSame(applyOverrides({ relay }, over).relay, { type: 'redis', url: 'redis://r', keyPrefix: 'x:' });
  t.strictSame(applyOverrides({ relay }, readEnvironment({ HOOFBEAT_REDIS_URL: '' })).relay, relay);
});

t.test('HOOFBEAT_REDIS_URL does not push out the relay to another broker', async (t) => {
  const over = readEnvironment({ HOOFBEAT_REDIS_URL: 'redis://u:secret@r' });
  t.throws(() => applyOverrides({ relay: { type: 'stomp' } }, over), {
    message: 'HOOFBEAT_REDIS_URL: got a value that is not shown, wants nothing with relay.type "stomp"',
  });
});
