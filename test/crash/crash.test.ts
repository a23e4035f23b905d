/**
 * The broker is killed under load and loses nothing that it confirmed. Seed and number of kills come from
 * HOOFBEAT_CRASH_SEED and HOOFBEAT_CRASH_KILLS (`npm run test:crash` kills 200 times); a failure shows the seed.
 * HOOFBEAT_TEST_REDIS has everything kept there: then each life is another node, with the same promises.
 */
import t, { type Test } from 'tap';
import { temporaryDirectory } from '../helpers/cli.js';
import { killFirstStart, runCrashes, type CrashReport } from './crash-run.js';
import { seedOf } from '../helpers/seed.js';

const SEED = seedOf('HOOFBEAT_CRASH_SEED');
const KILLS = Number(process.env['HOOFBEAT_CRASH_KILLS'] ?? 8);
const { HOOFBEAT_TEST_REDIS: REDIS } = process.env;
/** Violations told, and events for each of them. */
const MOST_TOLD = 20;

function tell(t: Test, { history, killed, violations, log }: CrashReport): void {
  const counts = new Map<string, number>();
  for (const { kind } of history.events) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  const again = history.events.filter((event) => event.kind === 'delivered' && event.redelivered).length;
  const kills = `${killed.loaded} under load, ${killed.troubled} with trouble in the store`;
  t.comment(`seed ${SEED}: killed ${kills}, ${killed.starting} while starting, ${killed.idle} while idle`);
  t.comment(`${[...counts].map(([kind, count]) => `${count} ${kind}`).join(', ')}; ${again} deliveries marked`);
  if (log !== '') t.comment(`the broker logged: ${log.slice(0, 1_000)}`);
  for (const { kind, text, ids } of violations.slice(0, MOST_TOLD)) {
    t.comment(`${kind}: ${text}`);
    const told = history.events
      .map((event, k) => `${k} ${JSON.stringify(event)}`)
      .filter((line) => ids.some((id) => line.includes(`"${id}"`)));
    for (const line of told.slice(0, MOST_TOLD)) t.comment(`  ${line}`);
  }
}

t.test(`a broker killed ${KILLS} times under load keeps every promise (seed ${SEED})`, async (t) => {
  t.setTimeout(60_000 + KILLS * 5_000);
  const report = await runCrashes(t, {
    seed: SEED,
    kills: KILLS,
    directory: temporaryDirectory(t),
    quietMs: 10_000,
    redisUrl: REDIS,
  });
  // There, what a dead node had comes back behind what others have had since.
  const violations = report.violations.filter(({ kind }) => REDIS === undefined || kind !== 'reordered');
  tell(t, { ...report, violations });
  t.strictSame(
    violations.slice(0, MOST_TOLD).map(({ kind, text }) => `${kind}: ${text}`),
    [],
  );
  t.equal(report.history.owed, 0);
  t.equal(
    Object.values(report.killed).reduce((sum, count) => sum + count, 0),
    KILLS,
  );
});

if (REDIS === undefined) {
  t.test(`a broker killed in its first start opens what it left (seed ${SEED})`, async (t) => {
    const times = Math.ceil(KILLS / 5);
    t.setTimeout(60_000 + times * 5_000);
    for (let k = 0; k < times; k++) await killFirstStart(t, `${SEED} first start ${k}`, temporaryDirectory(t));
    t.pass(`${times} times`);
  });

  t.test('the same run over a broker that stores nothing is found out', async (t) => {
    const report = await runCrashes(t, {
      seed: 'memory',
      kills: 2,
      directory: temporaryDirectory(t),
      quietMs: 500,
      isMemory: true,
    });
    t.ok(report.violations.filter(({ kind }) => kind === 'lost').length > 10);
  });
}
