/**
 * Mixed traffic on all transports, with churn and injected faults, and what has to be true of the server afterwards. Three
 * minutes here; `npm run soak -- --minutes=120` takes longer. HOOFBEAT_SOAK_SECONDS makes it shorter for work at the desk,
 * HOOFBEAT_SOAK_SEED repeats what is drawn, as far as sockets let it.
 */
import t from 'tap';
import { temporaryDirectory } from '../helpers/cli.js';
import { holds, rightOf } from './identities.js';
import { trendOf } from './memory-trend.js';
import { LINE_KINDS } from './open-line.js';
import { recordOf, writeSoakRecord } from './soak-record.js';
import { runSoak } from './soak-run.js';
import { seedOf } from '../helpers/seed.js';

const SEED = seedOf('HOOFBEAT_SOAK_SEED');
const TOTAL_MS = Number(process.env['HOOFBEAT_SOAK_SECONDS'] ?? 180) * 1_000;
/** Of traffic in one round. */
const BUSY_MS = TOTAL_MS > 1_800_000 ? 30_000 : 12_000;
const ACTORS = 14;
/** Timers of the server itself that begin with its first client; a leak leaves one for each of hundreds. */
const LATE_TIMERS = 3;
/** Of a server that has no fault, on a machine that is slow. */
const MORE_MS = 200_000;

/** Beside those of histories: the one that a selector was asked about last, and one on its way out. */
const REMEMBERED_MESSAGES = 2;

t.setTimeout(TOTAL_MS + MORE_MS);
t.comment(`seed ${SEED}`);
const report = await runSoak({
  seed: SEED,
  totalMs: TOTAL_MS,
  busyMs: BUSY_MS,
  actors: ACTORS,
  directory: temporaryDirectory(t),
  onRound: (text) => t.comment(text),
});
const record = recordOf(report);
writeSoakRecord(record);
const { empty, first, last, end } = report.looks;
t.comment(`server ${report.serverCpu.toFixed(3)}, clients ${report.clientsCpu.toFixed(3)} of a processor`);

t.test(`every message came to what it was promised (seed ${SEED})`, async (t) => {
  t.strictSame(report.ledger.faults, [], `${report.ledger.faultCount} faults`);
  for (const identity of report.identities) {
    t.ok(holds(identity), `${identity.name}: ${identity.left}, wants ${rightOf(identity)}`);
  }
});

t.test(`the heap is as it was, and so is what it holds (seed ${SEED})`, async (t) => {
  const { isFlat, firstBytes, lastBytes } = trendOf(report.samples);
  t.ok(isFlat, `${firstBytes} octets at the beginning, ${lastBytes} at the end`);
  const { Session, Subscription, Message = Infinity } = end.objects;
  t.strictSame({ Session, Subscription }, { Session: 0, Subscription: 0 });
  const { messages } = report.counts.stats.history;
  t.ok(Message - messages <= REMEMBERED_MESSAGES, `${Message} messages, ${messages} of them in histories`);
});

t.test(`no listener, timer or socket is left over (seed ${SEED})`, async (t) => {
  t.strictSame(end.listeners, empty.listeners, 'listeners');
  t.strictSame(last.listeners, first.listeners, 'listeners with the same clients');
  t.strictSame(end.resources, empty.resources, 'resources');
  const timers = (end.objects['Timeout'] ?? Infinity) - (empty.objects['Timeout'] ?? 0);
  t.ok(timers <= LATE_TIMERS, `${timers} timers more than before`);
  t.equal(end.objects['Socket'], empty.objects['Socket'], 'sockets');
});

t.test('there was something of everything', async (t) => {
  for (const kind of LINE_KINDS) t.ok((record.opened[kind] ?? 0) > 0, kind);
  for (const [fault, count] of Object.entries(record.faults)) t.ok(count > 0, fault);
  for (const [kind, count] of Object.entries(record.arrived)) t.ok(count > 0, kind);
});
