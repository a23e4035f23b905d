/** Every scenario of `npm run bench`, in the order in which they are run. */
import type { Scenario } from '../scenario.js';
import { churn } from './churn.js';
import { fanOut } from './fan-out.js';
import { heartBeats } from './heart-beats.js';
import { idle } from './idle.js';
import { latency } from './latency.js';
import { pairs } from './pairs.js';
import { queue } from './queue.js';
import { requests } from './requests.js';
import { subscriptionIndex } from './subscription-index.js';
import { users } from './users.js';

export const SCENARIOS: readonly Scenario[] = [
  fanOut,
  pairs,
  requests,
  users,
  queue,
  latency,
  idle,
  churn,
  heartBeats,
  subscriptionIndex,
];
