/** Runs lanes beside each other until every file has a report, or until the time of the whole run is over. */
import type { Lane } from './lanes.js';
import { TestProcess, type EndedFile } from './test-process.js';

/**
 * @param lanes of compiled files
 * @param limitMs of the whole; files that run then are ended and reported as failed
 * @returns the files that were not run within it
 */
export async function runLanes(
  lanes: readonly Lane[],
  limitMs: number,
  onFile: (ended: EndedFile) => void,
): Promise<readonly string[]> {
  const running = new Set<TestProcess>();
  const notRun: string[] = [];
  let isOver = false;
  const limit = setTimeout(() => {
    isOver = true;
    for (const process of running) process.end();
  }, limitMs);
  const work = async (waiting: (readonly string[])[], lane: Lane): Promise<void> => {
    for (let files = waiting.shift(); files !== undefined; files = waiting.shift()) {
      if (isOver) {
        notRun.push(...files);
        continue;
      }
      const process = new TestProcess(files, onFile, lane);
      running.add(process);
      const left = await process.ended;
      running.delete(process);
      // A crash is the crash of one file: those behind it get a process of their own.
      if (left.length > 0) waiting.unshift(left);
    }
  };
  await Promise.all(
    lanes.flatMap((lane) => {
      const waiting = [...lane.processes];
      return Array.from({ length: lane.jobs }, () => work(waiting, lane));
    }),
  );
  clearTimeout(limit);
  return notRun;
}
