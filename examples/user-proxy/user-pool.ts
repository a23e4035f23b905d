/**
 * The pool of workers: which user proxies are there and healthy, who gets the next task, and what becomes of the tasks of
 * a worker that vanishes.
 */
import type { Broker, Clock, Logger, SessionHandle } from '../../adapters/index.js';

export interface Registration {
  readonly userId: string;
  readonly proxyUrl: string;
  /** Where the proxy is, e.g. `de`. */
  readonly geo?: string | undefined;
}

export interface Task {
  readonly taskId: string;
  readonly userId?: string | undefined;
  readonly trackUrl: string;
  readonly quantity: number;
  /** Where its worker has to be; missing: anywhere. */
  readonly geoTarget?: string | undefined;
}

interface Worker extends Registration {
  readonly session: SessionHandle;
  /** Without heart-beats an idle connection is silent by right: it is healthy while it stands. */
  readonly promisesHeartBeats: boolean;
  /** Given to it and not reported done, oldest first. */
  readonly tasks: Map<string, Task>;
}

/** A worker as the page shows it. */
export interface WorkerView extends Registration {
  readonly healthy: boolean;
  readonly transport: string;
  readonly silentForMs: number;
  readonly tasks: readonly string[];
}

export const SILENCE_MS = 60_000;
export const SWEEP_MS = 30_000;
const TASKS = '/user/queue/tasks';
/** Clients of old never report a task done: so many are remembered for each worker, the latest. */
const MAX_TASKS = 100;
/** Tasks that found no worker and wait for one. */
const MAX_WAITING = 1_000;

export class UserPool {
  readonly #broker: Broker;
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** By session id, in the order of whose turn it is. */
  readonly #workers = new Map<string, Worker>();
  #waiting: Task[] = [];
  /** Of workers on other nodes. */
  #turn = 0;

  constructor(broker: Broker, ports: { readonly clock: Clock; readonly logger: Logger }) {
    this.#broker = broker;
    this.#clock = ports.clock;
    this.#logger = ports.logger;
    broker.events.on('connect', ({ session, headers }) => {
      session.attributes.set('beats', Number(headers.get('heart-beat')?.split(',')[0] ?? 0) > 0);
      ports.logger.info({ session: session.id, transport: session.transport }, 'worker connected');
    });
    // Who listens for tasks is a worker, whether or not it has registered: TCP clients do nothing else.
    broker.events.on('subscribe', ({ session, subscription }) => {
      if (subscription.destination !== TASKS || this.#workers.has(session.id)) return;
      return this.register(session, { userId: session.user?.name ?? session.id, proxyUrl: '' });
    });
    broker.events.on('disconnect', ({ session, reason }) => {
      ports.logger.info({ session: session.id, reason }, 'worker disconnected');
      return this.#remove(session.id);
    });
  }

  /** Users with at least one session. */
  getConnectedUserCount(): number {
    return this.#broker.users.count();
  }

  /** Of all nodes that answer; of a single node its own. */
  async countUsersOfAllNodes(): Promise<number> {
    return (await this.#broker.cluster.countUsers()).merged;
  }

  get activeSessionCount(): number {
    return this.#workers.size;
  }

  workers(): WorkerView[] {
    return [...this.#workers.values()].map((worker) => ({
      userId: worker.userId,
      proxyUrl: worker.proxyUrl,
      geo: worker.geo,
      healthy: this.#isHealthy(worker),
      transport: worker.session.transport,
      silentForMs: Math.round(this.#silenceMs(worker)),
      tasks: [...worker.tasks.keys()],
    }));
  }

  async register(session: SessionHandle, { userId, proxyUrl, geo }: Registration): Promise<void> {
    const promisesHeartBeats = session.attributes.get('beats') === true;
    const tasks = this.#workers.get(session.id)?.tasks ?? new Map<string, Task>();
    this.#workers.set(session.id, { userId, proxyUrl, geo, session, promisesHeartBeats, tasks });
    for (const task of this.#waiting.splice(0)) await this.dispatch(task);
  }

  /** The first healthy registered session that matches; each in turn. Null when there is none. */
  nextHealthyUser(geoTarget?: string): string | null {
    return this.#next(geoTarget)?.userId ?? null;
  }

  /** To every session of the user, at `/user/{userId}/queue/tasks`. @returns whether one is there */
  async sendTask(userId: string, task: Task): Promise<boolean> {
    const workers = [...this.#workers.values()].filter((worker) => worker.userId === userId);
    for (const worker of workers) await this.#give(worker, task);
    return workers.length > 0;
  }

  /** Gives a task to its user when that one is healthy, else to the next who is; it waits when there is none. */
  async dispatch(task: Task): Promise<void> {
    const own = [...this.#workers.values()].find((worker) => worker.userId === task.userId && this.#isHealthy(worker));
    const worker = own ?? this.#next(task.geoTarget);
    if (worker !== undefined) await this.#give(worker, task);
    else if (!(await this.#giveElsewhere(task)) && this.#waiting.push(task) > MAX_WAITING) this.#waiting.shift();
  }

  /** To a worker of another node: the task's user, or anybody in turn. @returns whether there is one */
  async #giveElsewhere(task: Task): Promise<boolean> {
    const { nodeId } = this.#broker.cluster;
    const { merged } = await this.#broker.cluster.findSubscriptions({ destination: TASKS });
    const users = merged.flatMap(({ session }) =>
      session.nodeId === nodeId || session.user === null ? [] : [session],
    );
    const chosen = users.find(({ user }) => user === task.userId) ?? users[this.#turn++ % Math.max(1, users.length)];
    if (chosen === undefined || chosen.user === null) return false;
    await this.#broker.convertAndSendToUser(chosen.user, '/queue/tasks', task, {}, { session: chosen.id });
    return true;
  }

  done(session: SessionHandle, taskId: string): void {
    this.#workers.get(session.id)?.tasks.delete(taskId);
  }

  /** Removes sessions that were silent for too long; to be called every `SWEEP_MS`. */
  async sweep(): Promise<void> {
    const silent = [...this.#workers.values()].filter((worker) => !this.#isHealthy(worker));
    if (silent.length === 0) return;
    this.#logger.warn(
      { removed: silent.length, active: this.#workers.size - silent.length },
      'silent sessions removed',
    );
    for (const { session } of silent) {
      await this.#remove(session.id);
      session.disconnect();
    }
  }

  #next(geoTarget: string | undefined): Worker | undefined {
    for (const [id, worker] of this.#workers) {
      if (!this.#isHealthy(worker) || (geoTarget !== undefined && worker.geo !== geoTarget)) continue;
      this.#workers.delete(id);
      this.#workers.set(id, worker);
      return worker;
    }
    return undefined;
  }

  async #give({ session, tasks }: Worker, task: Task): Promise<void> {
    tasks.set(task.taskId, task);
    const [oldest] = tasks.keys();
    if (tasks.size > MAX_TASKS && oldest !== undefined) tasks.delete(oldest);
    const user = session.user?.name ?? session.id;
    await this.#broker.convertAndSendToUser(user, '/queue/tasks', task, {}, { session: session.id });
  }

  async #remove(sessionId: string): Promise<void> {
    const worker = this.#workers.get(sessionId);
    this.#workers.delete(sessionId);
    if (worker === undefined || worker.tasks.size === 0) return;
    this.#logger.info({ session: sessionId, tasks: worker.tasks.size }, 'tasks go to the next healthy worker');
    for (const task of worker.tasks.values()) await this.dispatch(task);
  }

  #isHealthy(worker: Worker): boolean {
    return !worker.promisesHeartBeats || this.#silenceMs(worker) < SILENCE_MS;
  }

  #silenceMs({ session }: Worker): number {
    const details = this.#broker.operations.session(session.id);
    return details === undefined ? SILENCE_MS : this.#clock.nowMs() - details.lastReadMs;
  }
}
