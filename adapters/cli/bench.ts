/** `hoofbeat bench`: a quick load test against a running broker. */
import { Argument, type Command } from 'commander';
import { parseNumber } from './argument.js';
import type { BenchFlags, Scenario } from './bench/run-bench.js';
import { addClientFlags, URL_HELP } from './client-flags.js';
import type { Environment } from './environment.js';

const HELP = `${URL_HELP}

fan-out: everybody is subscribed to one topic. pairs: each client has a topic and a publisher of its own. queue: the
clients compete for one queue and acknowledge each message. Latency counts from when a message was due, not from when
it was sent, so a broker that stands still is not flattered by a client that waits for it; with --rate 0 each publisher
sends as its last message is confirmed, and latency counts from there. Client and broker share this machine's
processors if they are both here: compare figures of the same machine alone. Exits 1 when messages were lost.

Examples:
  hoofbeat bench fan-out -u ws://127.0.0.1:8080/ws --clients 100 --rate 2000
  hoofbeat bench pairs --clients 50 --rate 5000 --size 1024
  hoofbeat bench queue --rate 0 --publishers 4 --json`;

export function addBenchCommand(program: Command, environment: Environment): void {
  const whole = (min: number, max: number) => (text: string) => parseNumber(text, min, max);
  addClientFlags(program.command('bench').description('a quick load test against a running broker'))
    .addArgument(new Argument('<scenario>', 'what is measured').choices(['fan-out', 'pairs', 'queue']))
    .option('--clients <number>', 'subscribers, pairs or consumers', whole(1, 10_000), 10)
    .option('--publishers <number>', 'of fan-out and queue; they share the rate', whole(1, 1_000), 1)
    .option(
      '--rate <number>',
      'messages a second of all publishers together; 0: one after the other',
      whole(0, 1e6),
      1_000,
    )
    .option('--duration <seconds>', 'how long is measured', whole(1, 3_600), 5)
    .option('--warm-up <seconds>', 'how long is not counted before', whole(0, 600), 1)
    .option('--size <octets>', 'of a body', whole(16, 1024 * 1024), 128)
    .option('-d, --destination <name>', 'where to send, behind /topic/ or /queue/ (default: a name of its own)')
    .option('--json', 'one JSON line')
    .addHelpText('after', HELP)
    .action(async (scenario: Scenario, flags: BenchFlags) => {
      const { runBench } = await import('./bench/run-bench.js');
      await runBench(scenario, flags, environment);
    });
}
