/** What the page believes about the API's answers is what their schemas say. The compiler checks it. */
import t from 'tap';
import type { z } from 'zod';
import type * as page from '../../../../adapters/admin/console/page/api-types.js';
import type { Counters } from '../../../../adapters/admin/console/page/feed-types.js';
import type * as schemas from '../../../../adapters/admin/schemas.js';
import type { StatsSnapshot } from '../../../../broker/index.js';

type Answer<Schema extends z.ZodType> = z.infer<Schema>;

/** By name: what the API answers, given as what the page reads. */
interface Given {
  readonly session: (answer: Answer<typeof schemas.session>) => page.Session;
  readonly subscription: (answer: Answer<typeof schemas.subscription>) => page.Subscription;
  readonly user: (answer: Answer<typeof schemas.user>) => page.User;
  readonly destination: (answer: Answer<typeof schemas.destination>) => page.Destination;
  readonly queue: (answer: Answer<typeof schemas.queue>) => page.Queue;
  readonly queueMessage: (answer: Answer<typeof schemas.queueMessage>) => page.QueueMessage;
  readonly auditEntry: (answer: Answer<typeof schemas.auditEntry>) => page.AuditEntry;
  readonly health: (answer: Answer<typeof schemas.health>) => page.Health;
  readonly stats: (answer: Answer<typeof schemas.stats>) => page.Stats;
  readonly node: (answer: Answer<typeof schemas.node>) => page.Node;
  readonly counters: (answer: StatsSnapshot) => Counters;
}

const GIVEN: Given = {
  session: (answer) => answer,
  subscription: (answer) => answer,
  user: (answer) => answer,
  destination: (answer) => answer,
  queue: (answer) => answer,
  queueMessage: (answer) => answer,
  auditEntry: (answer) => answer,
  health: (answer) => answer,
  stats: (answer) => answer,
  node: (answer) => answer,
  counters: (answer) => answer,
};

t.test('answers of the API are what the page reads', async (t) => {
  t.equal(Object.keys(GIVEN).length, 11, 'this file compiles');
});
