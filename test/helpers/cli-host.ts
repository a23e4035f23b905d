/**
 * The `hoofbeat` command again and again in one process: reads `{args, environment}` on each line of standard input, answers
 * `{exitCode, stdout, stderr}`. What a process of its own is needed for (signals, pipes) is started as one, by cli.ts.
 */
import { createInterface } from 'node:readline';
import { runCli } from '../../adapters/cli/program.js';

interface Request {
  readonly args: string[];
  readonly environment: NodeJS.ProcessEnv;
}

const answer = process.stdout.write.bind(process.stdout);
const output = { stdout: '', stderr: '' };
for (const name of ['stdout', 'stderr'] as const) {
  process[name].write = (chunk: string | Uint8Array) => {
    output[name] += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString();
    return true;
  };
}

for await (const line of createInterface({ input: process.stdin })) {
  const { args, environment } = JSON.parse(line) as Request;
  output.stdout = output.stderr = '';
  const exitCode = await runCli(args, environment);
  answer(`${JSON.stringify({ exitCode, ...output })}\n`);
}
