/** Processes that are not well: the rest is asked of a real server (doctor.test.ts). */
import t from 'tap';
import { checkMemory, checkWorkers, type ShownProcesses } from '../../../adapters/cli/doctor/process-checks.js';

const MIB = 2 ** 20;
const MEMORY = { used: 0.2, heapBytes: 2 * MIB, heapBudgetBytes: 10 * MIB, totalBytes: 3 * MIB, budgetBytes: 30 * MIB };

function workersOf(...workerProcesses: ShownProcesses['server']['workerProcesses']) {
  return [...checkWorkers({ server: { workerProcesses } })].map(({ status, check, text }) => [status, check, text]);
}

t.test('memory that comes near its budget is something to look at, before load is shed', async (t) => {
  const text = '% of the budget: heap 2 of 10 MiB, heap and buffers 3 of 30 MiB';
  t.match(checkMemory({ broker: { memory: MEMORY } }), { status: 'ok', text: `20 ${text}` });
  t.match(checkMemory({ broker: { memory: { ...MEMORY, used: 0.755 } } }), { status: 'warn', text: `75 ${text}` });
  t.match(checkMemory({ broker: { memory: null } }), { status: 'warn', advice: /broker\.memory\.enabled/ });
});

t.test('so are workers that are not there, or have few open files left', async (t) => {
  const report = { residentBytes: 64 * MIB, sockets: { open: 89, max: 100 } };
  const worker = { worker: 1, isListening: true, connections: 80, report };
  t.strictSame(
    workersOf(
      worker,
      { ...worker, worker: 2, report: { ...report, sockets: { open: 90, max: 100 } } },
      { ...worker, worker: 3, report: { ...report, sockets: null } },
      { ...worker, worker: 4, isListening: false },
      { ...worker, worker: 5, report: null },
    ),
    [
      ['ok', 'worker 1', '80 connections (89 of 100 sockets), 64 MiB'],
      ['warn', 'worker 2', '80 connections (90 of 100 sockets), 64 MiB'],
      ['ok', 'worker 3', '80 connections, 64 MiB'],
      ['warn', 'worker 4', 'does not listen'],
      ['warn', 'worker 5', 'does not listen'],
    ],
  );
});
