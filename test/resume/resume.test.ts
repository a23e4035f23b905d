/**
 * Subscribers over real sockets that are cut at random, while a stream is published, and resume: each ends with exactly the
 * sequence, or with an honest recovered:false. Short here; `npm run test:resume` runs 500 subscribers and 20,000 messages.
 * HOOFBEAT_RESUME_SEED repeats a run, as far as sockets let it.
 */
import t, { type Test } from 'tap';
import { runResume, type ResumeReport, type ResumeSpec } from './resume-run.js';
import { seedOf } from '../helpers/seed.js';

const SEED = seedOf('HOOFBEAT_RESUME_SEED');
const SUBSCRIBERS = Number(process.env['HOOFBEAT_RESUME_SUBSCRIBERS'] ?? 100);
const MESSAGES = Number(process.env['HOOFBEAT_RESUME_MESSAGES'] ?? 1_500);
const DEADLINE_MS = 90_000 + (SUBSCRIBERS * MESSAGES) / 10;
const MOST_TOLD = 20;

async function run(t: Test, more: Partial<ResumeSpec>): Promise<ResumeReport> {
  t.setTimeout(DEADLINE_MS + 60_000);
  const report = await runResume(t, {
    seed: SEED,
    subscribers: SUBSCRIBERS,
    messages: MESSAGES,
    maxMessages: MESSAGES,
    mostAbsence: Math.ceil(MESSAGES / 8),
    kills: 0,
    deadlineMs: DEADLINE_MS,
    ...more,
  });
  t.comment(report.text);
  t.strictSame(report.faults.slice(0, MOST_TOLD), []);
  return report;
}

t.test(`with a history that is long enough every cut is recovered (seed ${SEED})`, async (t) => {
  const { received, wanted, cuts, recovered, unrecovered, gaps } = await run(t, {});
  t.ok(cuts > SUBSCRIBERS, `${cuts} cuts`);
  // One that was cut before its RECEIPT came was not told.
  t.ok(recovered > cuts / 2, `${recovered} recovered`);
  t.strictSame({ received, unrecovered, gaps }, { received: wanted, unrecovered: 0, gaps: 0 });
});

t.test(`with a short history some are lost, and say so (seed ${SEED})`, async (t) => {
  const maxMessages = Math.ceil(MESSAGES / 6);
  const { received, wanted, recovered, unrecovered } = await run(t, { maxMessages, mostAbsence: 2 * maxMessages });
  t.ok(recovered > 0, `${recovered} recovered`);
  t.ok(unrecovered > 0, `${unrecovered} not`);
  t.ok(received < wanted, `${received} of ${wanted} received`);
});

t.test(`a durable history goes on after SIGKILL, for publisher and subscribers (seed ${SEED})`, async (t) => {
  const subscribers = Math.ceil(SUBSCRIBERS / 4);
  const { received, wanted, unrecovered, gaps } = await run(t, { subscribers, kills: 3 });
  t.strictSame({ received, unrecovered, gaps }, { received: wanted, unrecovered: 0, gaps: 0 });
});
