/**
 * Programs outside Node that some tests drive, and the Debian packages they come from. The runner installs what is
 * missing; a test that still lacks one says so and is skipped, which counts as a failure in CI (test/run.ts).
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import type { Test } from 'tap';

interface Program {
  /** Debian package. */
  readonly package: string;
  /** What to start; exits with 0 when the program is there. */
  readonly probe: readonly [command: string, ...args: string[]];
}

/** Interpreters are named by path: Debian's libraries belong to Debian's interpreter, not to another one first in PATH. */
export const PYTHON = '/usr/bin/python3';
export const RUBY = '/usr/bin/ruby';
export const PERL = '/usr/bin/perl';
export const CHROMIUM = '/usr/bin/chromium';
export const RABBITMQ = '/usr/lib/rabbitmq/bin/rabbitmq-server';
export const SCRIPT = '/usr/bin/script';
export const NGINX = '/usr/sbin/nginx';
export const HAPROXY = '/usr/sbin/haproxy';

const PROGRAMS = {
  'python3-stomp': { package: 'python3-stomp', probe: [PYTHON, '-c', 'import stomp'] },
  'ruby-stomp': { package: 'ruby-stomp', probe: [RUBY, '-e', 'require "stomp"'] },
  'perl-stomp': { package: 'libnet-stomp-perl', probe: [PERL, '-MNet::Stomp', '-e', '1'] },
  // Takes from root its right to write to anything.
  setpriv: { package: 'util-linux', probe: ['setpriv', '--version'] },
  // Gives a program a terminal.
  script: { package: 'bsdutils', probe: [SCRIPT, '--version'] },
  // Bounds what a process may write, without being root.
  prlimit: { package: 'util-linux', probe: ['prlimit', '--version'] },
  // A node of its own is started by test/helpers/rabbitmq.ts.
  'rabbitmq-server': { package: 'rabbitmq-server', probe: ['/usr/bin/test', '-x', RABBITMQ] },
  // Compiles what a server is to load first (test/faults/slow-disk.ts).
  gcc: { package: 'build-essential', probe: ['gcc', '-E', '-include', 'stdio.h', '-x', 'c', '/dev/null'] },
  curl: { package: 'curl', probe: ['curl', '--version'] },
  zsh: { package: 'zsh', probe: ['zsh', '--version'] },
  fish: { package: 'fish', probe: ['fish', '--version'] },
  'systemd-analyze': { package: 'systemd', probe: ['systemd-analyze', '--version'] },
  promtool: { package: 'prometheus', probe: ['promtool', '--version'] },
  'redis-server': { package: 'redis-server', probe: ['redis-server', '--version'] },
  nginx: { package: 'nginx', probe: [NGINX, '-v'] },
  haproxy: { package: 'haproxy', probe: [HAPROXY, '-v'] },
  chromium: { package: 'chromium', probe: ['/usr/bin/test', '-x', CHROMIUM] },
} as const satisfies Record<string, Program>;

export type ProgramName = keyof typeof PROGRAMS;

export const PROGRAM_NAMES = Object.keys(PROGRAMS) as readonly ProgramName[];

export function hasProgram(name: ProgramName): boolean {
  const [command, ...args] = PROGRAMS[name].probe;
  return spawnSync(command, args, { stdio: 'ignore', timeout: 20_000 }).status === 0;
}

/** Skips the test, with the reason, when the program is missing. Returns whether the test can go on. */
export function requireProgram(t: Test, name: ProgramName): boolean {
  if (hasProgram(name)) return true;
  t.pass('cannot run here', {
    skip: `needs ${name} (Debian package ${PROGRAMS[name].package}), which is not installed`,
  });
  return false;
}

/**
 * Installs the packages of missing programs where that is possible: as root, on Debian or a relative of it.
 * @param report takes one line for each thing done or given up
 */
export function installPrograms(names: readonly ProgramName[], report: (line: string) => void): void {
  const missing = names.filter((name) => !hasProgram(name));
  if (missing.length === 0) return;
  const packages = missing.map((name) => PROGRAMS[name].package);
  if (process.getuid?.() !== 0 || !isDebian()) {
    report(`missing, and not root on Debian to install it: ${packages.join(' ')}`);
    return;
  }
  report(`installing ${packages.join(' ')}`);
  if (!aptGet(['update'])) report('apt-get update failed');
  // One by one: a package that cannot be had must not keep the others away.
  for (const name of packages) {
    if (!aptGet(['install', '-y', '--no-install-recommends', name])) report(`apt-get install ${name} failed`);
  }
}

function aptGet(args: readonly string[]): boolean {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const run = spawnSync('apt-get', ['-qq', ...args], { stdio: ['ignore', 'ignore', 'inherit'], env, timeout: 180_000 });
  return run.status === 0;
}

function isDebian(): boolean {
  const path = '/etc/os-release';
  return existsSync(path) && /^ID(_LIKE)?=.*debian/m.test(readFileSync(path, 'utf8'));
}
