/**
 * The program of a worker process: composes the transports as a server of its own would, and hands what they accept to
 * the broker's process. Started by the worker pool, never by people.
 */
import { rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { pathToFileURL } from 'node:url';
import type { ListenerOptions } from './endpoint-composition.js';
import { EventLoopWatch } from './event-loop-watch.js';
import type { ResolvedServerOptions } from './config/index.js';
import { composeHttp, composeTcp, FRAMINGS } from './listener-composition.js';
import { Listeners } from './listeners.js';
import { createLogger } from './logging/index.js';
import { watchedSocketBudget } from './open-files.js';
import { SystemMemory } from './system-memory.js';
import { WorkerReporter } from './worker-reporter.js';
import { LINK_FD, SockJsRelay, WorkerEnd, type WorkerSetup } from './workers/index.js';

export interface WorkerOptions extends ListenerOptions, Pick<ResolvedServerOptions, 'log'> {
  /** Whether anybody looks at how late event loops are. */
  readonly watchesDelay: boolean;
}

/** How long an ending worker looks whether its broker is gone too. */
const ORPHAN_WAIT_MS = 100;

/** Runs until the broker's process says otherwise, or is gone. */
function runWorker(socket: Socket): void {
  const parent = process.ppid;
  let isLeaving = false;
  let listeners: Listeners | null = null;
  const eventLoop = new EventLoopWatch();
  let watchesDelay = false;
  const reporter = new WorkerReporter({
    memory: new SystemMemory(),
    nowMs: () => performance.now(),
    delay: () => (watchesDelay ? eventLoop.delay() : null),
  });
  const end = new WorkerEnd(socket, {
    framings: FRAMINGS,
    onSetup(given) {
      const setup = given as WorkerSetup<WorkerOptions>;
      process.on('exit', () => {
        if (isLeaving) return;
        // A process that was killed lets go of its files a moment before it is gone.
        const until = performance.now() + ORPHAN_WAIT_MS;
        while (process.ppid === parent && performance.now() < until);
        // Nobody else is left to tidy up behind it.
        if (process.ppid !== parent) rmSync(setup.directory, { recursive: true, force: true });
      });
      ({ watchesDelay } = setup.options);
      if (watchesDelay) eventLoop.start();
      listeners = new Listeners(end.accept);
      listen(setup, { listeners, end, reporter }).catch((error: unknown) => {
        end.failed(error instanceof Error ? error.message : String(error));
      });
    },
    onStopAccepting() {
      void listeners?.stopAccepting();
    },
    onLeave() {
      isLeaving = true;
      void listeners?.close().finally(() => process.exit(0));
    },
    onAsk(collects) {
      return reporter.report(collects);
    },
    onLinkEnd() {
      process.exit(1);
    },
  });
}

interface WorkerParts {
  readonly listeners: Listeners;
  readonly end: WorkerEnd;
  readonly reporter: WorkerReporter;
}

async function listen(setup: WorkerSetup<WorkerOptions>, { listeners, end, reporter }: WorkerParts): Promise<void> {
  const { worker, workers, directory, options } = setup;
  const logger = createLogger(options.log).child({ worker });
  const relay = new SockJsRelay({
    worker,
    workers,
    directory,
    take: (request, response) => http.some(({ transport }) => transport.take(request, response)),
  });
  const budget = watchedSocketBudget(logger, (shortage) => {
    reporter.shortage = shortage;
    end.report(reporter.report(false));
  });
  reporter.budget = budget;
  const tcp = await composeTcp(options, logger, budget);
  const http = await composeHttp(options, logger, { passOn: relay.passOn, budget });
  await relay.listen();
  end.ready(await listeners.open([...tcp, ...http]));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  // A terminal sends its SIGINT to everyone, a supervisor its SIGTERM perhaps: what follows is for the broker to say.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);
  process.on('SIGXFSZ', () => undefined);
  runWorker(new Socket({ fd: LINK_FD, readable: true, writable: true }));
}
