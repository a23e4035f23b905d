import t from 'tap';
import { MAX_YOUNG_DEATHS, RestartPolicy } from '../../../adapters/workers/restart-policy.js';

t.test('what dies young is started later each time, and in the end not at all', async (t) => {
  const policy = new RestartPolicy();
  const delays = Array.from({ length: MAX_YOUNG_DEATHS }, () => policy.delayAfter(50));
  t.strictSame(delays, [100, 200, 400, 800, null]);
});

t.test('what has run for a while starts at once, and makes up for what died young before', async (t) => {
  const policy = new RestartPolicy();
  for (let k = 1; k < MAX_YOUNG_DEATHS; k++) policy.delayAfter(50);
  t.equal(policy.delayAfter(60_000), 0);
  t.equal(policy.delayAfter(50), 100);
});
