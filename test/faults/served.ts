/** `hoofbeat serve` with a configuration of its own, started again on the same ports and data, as a supervisor would. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Test } from 'tap';
import type { ServerOptions } from '../../adapters/index.js';
import { RunningCommand } from '../helpers/cli.js';
import { inTime } from '../helpers/inbox.js';
import { until } from '../helpers/until.js';
import type { Probed } from './busy-probe.js';

const PROBE = new URL('./busy-probe.js', import.meta.url).href;
const STOP_DEADLINE_MS = 60_000;

export interface Ports {
  readonly tcp: number;
  readonly http: number;
  /** 0 when it is off. */
  readonly admin: number;
}

/** How a process is started. */
export interface Launched {
  /** As of RunningCommand. */
  readonly wrapper?: readonly [string, ...string[]] | null;
  /** URL of a module that is loaded first. */
  readonly preload?: string;
  readonly environment?: NodeJS.ProcessEnv;
}

export class Served {
  readonly command: RunningCommand;
  readonly ports: Ports;
  readonly #probe: string;

  private constructor(command: RunningCommand, ports: Ports, probe: string) {
    this.command = command;
    this.ports = ports;
    this.#probe = probe;
  }

  /**
   * Resolves when it listens; ends with the test at the latest.
   * @param directory for configuration and, unless the options say otherwise, data
   */
  static async start(t: Test, directory: string, options: ServerOptions, how: Launched = {}): Promise<Served> {
    const { command, probe } = launch(t, directory, options, how);
    await command.until(({ stdout }) => stdout.includes('\n'), 'it listens');
    const { addresses } = JSON.parse(command.stdout) as {
      readonly addresses: readonly { transport: string; port: number; isAdmin?: boolean }[];
    };
    const portOf = (name: string, isAdmin = false): number =>
      addresses.find((one) => one.transport === name && (one.isAdmin ?? false) === isAdmin)?.port ?? 0;
    return new Served(command, { tcp: portOf('tcp'), http: portOf('http'), admin: portOf('http', true) }, probe);
  }

  get pid(): number {
    return this.command.child.pid ?? 0;
  }

  /** What its event loop went through since it was asked last. */
  async probed(): Promise<Probed> {
    rmSync(this.#probe, { force: true });
    this.command.child.kill('SIGUSR2');
    await until('the probe', () => existsSync(this.#probe) && readFileSync(this.#probe, 'utf8').endsWith('}'));
    return JSON.parse(readFileSync(this.#probe, 'utf8')) as Probed;
  }

  /** SIGTERM. @returns how long it took. @throws Error with what it printed, when it does not end with 0 */
  async stop(): Promise<number> {
    const startedMs = performance.now();
    this.command.child.kill('SIGTERM');
    const { exitCode, stderr } = await inTime(this.command.ended, 'the end', STOP_DEADLINE_MS);
    if (exitCode !== 0) throw new Error(`it ended with ${String(exitCode)}: ${stderr}`);
    return performance.now() - startedMs;
  }
}

/** As `Served.start`, for who does not wait for it. */
export function launch(
  t: Test,
  directory: string,
  options: ServerOptions,
  { wrapper = null, preload, environment = {} }: Launched = {},
): { readonly command: RunningCommand; readonly probe: string } {
  const config = path.join(directory, 'hoofbeat.json');
  const probe = path.join(directory, 'probe.json');
  const data = path.join(directory, 'data');
  writeFileSync(config, JSON.stringify({ data, ...options }));
  const imports = [PROBE, ...(preload === undefined ? [] : [preload])].map((url) => `--import ${url}`).join(' ');
  const probed = { ...environment, HOOFBEAT_PROBE: probe, NODE_OPTIONS: imports };
  const args = ['serve', '--json', '--config', config, '--log-level', 'warn'];
  // RunningCommand names a data directory of its own in the environment, which would win over the file.
  const where = options.data === undefined ? ['--data', data] : [];
  return { command: new RunningCommand(t, [...args, ...where], probed, wrapper), probe };
}
