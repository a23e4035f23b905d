/** `hoofbeat serve` with a configuration file and a data directory, as a user starts it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { endWithParent, terminate, type BrokerProcess } from './broker-process.js';

const MAIN = path.resolve(import.meta.dirname, '../../adapters/cli/main.js');
/** Room for everything a bench publishes without a consumer; the defaults refuse before. */
const SETTINGS = 'broker: {queueDefaults: {maxMessages: 10000000, maxBytes: 4000000000}}';

/**
 * @param directory for configuration and data, on the disk to be measured; made when missing
 * @param nodeArguments in front of the script, e.g. `--cpu-prof`
 */
export async function startHoofbeat(directory: string, nodeArguments: readonly string[] = []): Promise<BrokerProcess> {
  await mkdir(directory, { recursive: true });
  const config = path.join(directory, 'hoofbeat.yaml');
  await writeFile(config, `${SETTINGS}\n`);
  const flags = ['--data', path.join(directory, 'data'), '--http-port', '0', '--tcp-port', '0', '--log-level', 'warn'];
  const child = spawn(process.execPath, [...nodeArguments, MAIN, 'serve', '--config', config, ...flags, '--json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  endWithParent(child);
  const [line] = (await Promise.race([
    once(child.stdout, 'data'),
    once(child, 'exit').then(() => Promise.reject(new Error('hoofbeat ended before it was ready'))),
  ])) as [Buffer];
  const { pid, addresses } = JSON.parse(line.toString()) as {
    pid: number;
    addresses: { transport: string; port: number }[];
  };
  const port = addresses.find(({ transport }) => transport === 'tcp')?.port ?? 0;
  return { name: 'hoofbeat', port, pid, settings: SETTINGS, stop: () => terminate(child) };
}
