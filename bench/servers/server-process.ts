/** A server under measurement, in a process of its own: told to start, asked for its CPU time, ended by its parent. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';

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
   * @param folder where it lies; default: beside this one
   */
  static async start(module: string, folder = import.meta.dirname): Promise<ServerProcess> {
    const child = fork(path.join(folder, `${module}.js`));
    const [ports] = (await once(child, 'message')) as [ServerPorts];
    return new ServerProcess(child, ports);
  }

  /** User and system time the process has used so far, in µs: garbage collection and its threads included. */
  async cpuMicros(): Promise<number> {
    this.#child.send('cpu');
    const [micros] = (await once(this.#child, 'message')) as [number];
    return micros;
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
    const { user, system } = process.cpuUsage();
    process.send?.(user + system);
  });
  process.send?.(ports);
}
