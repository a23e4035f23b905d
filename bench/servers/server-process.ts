/** A server of this bench under measurement, in a process of its own: told to start, asked for its CPU time, ended by its parent. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { collectGarbage } from '../in-process/garbage.js';
import { endWithParent } from './broker-process.js';

/** What the server tells its parent when it listens. */
export interface ServerPorts {
  readonly tcpPort: number;
  readonly httpPort: number;
}

export class ServerProcess {
  readonly ports: ServerPorts;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, ports: ServerPorts) {
    this.#child = child;
    this.ports = ports;
  }

  /**
   * @param module file name without extension
   * @param serverArguments its command line
   * @param nodeArguments in front of it
   * @param folder where it lies; default: beside this one
   */
  static async start(
    module: string,
    serverArguments: readonly string[] = [],
    nodeArguments: readonly string[] = [],
    folder = import.meta.dirname,
  ): Promise<ServerProcess> {
    const child = fork(path.join(folder, `${module}.js`), serverArguments, { execArgv: [...nodeArguments] });
    endWithParent(child);
    const ended = new AbortController();
    const ports = await Promise.race([
      once(child, 'message', ended).then(([first]) => first as ServerPorts),
      once(child, 'exit', ended).then(() => Promise.reject(new Error(`${module} ended before it was ready`))),
    ]);
    ended.abort();
    return new ServerProcess(child, ports);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** User and system time the process has used so far, in µs: garbage collection and its threads included. */
  async cpuMicros(): Promise<number> {
    this.#child.send('cpu');
    const [micros] = (await once(this.#child, 'message')) as [number];
    return micros;
  }

  /** Leaves nothing in its memory that is not used any more, as far as V8 can be made to. */
  async collectGarbage(): Promise<void> {
    this.#child.send('collect');
    await once(this.#child, 'message');
  }

  async stop(): Promise<void> {
    this.#child.send('stop');
    await once(this.#child, 'exit');
  }
}

/** In the child: answers the parent. */
export function serveParent(ports: ServerPorts): void {
  process.on('message', (request) => {
    if (request === 'stop') process.exit(0);
    if (request === 'collect') collectGarbage();
    const { user, system } = process.cpuUsage();
    process.send?.(user + system);
  });
  process.send?.(ports);
}
