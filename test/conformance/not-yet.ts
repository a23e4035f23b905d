/**
 * Ids of the conformance list without a test, and why: held equal to the tests by coverage.test.ts. What stands here is not
 * built on purpose, and the line says what serves instead or what it would cost.
 */
import type { Group } from './ids.js';

/** Groups that are complete without exception: an entry of theirs here is refused. */
export const COMPLETE_GROUPS: readonly Group[] = ['F', 'C', 'S', 'A', 'T', 'R', 'E', 'W', 'K'];

/** Id → the reason why it has no test. */
export const WITHOUT_TEST: ReadonlyMap<string, string> = new Map([
  [
    'X-25',
    'There are no exchanges and bindings: a topic with patterns, or a queue, does what amq.topic and amq.direct do.',
  ],
  ['X-26', 'A queue is there by being named, so none can be missing; rules (auth.rules) decide who may name which.'],
  [
    'X-28',
    'What a queue may hold is for broker.queues: a client could otherwise loosen bounds, for others and across restarts.',
  ],
  ['X-31', 'No JMS client reads these messages as text or bytes: a body is octets, relayed with their content-length.'],
  ['X-32', 'The prefix decides between queue and topic: a header that decides too could make one name mean both.'],
  [
    'X-34',
    'A frame before CONNECT has no authenticated sender, and answering nothing would hide that from its client.',
  ],
  [
    'X-35',
    'Shared durable subscriptions (X-19) do what virtual topics do; who listens is for the application to publish.',
  ],
]);
