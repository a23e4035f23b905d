/** Where and with what a run was made. */
import { execFileSync } from 'node:child_process';
import { cpus, release, totalmem, type } from 'node:os';
import { redisVersion } from '../servers/redis-server.js';
import { versionOf } from '../contenders/node-peer.js';

export function describeHost(): Record<string, string | number> {
  const [first] = cpus();
  return {
    CPU: `${cpus().length} × ${first?.model.trim() ?? 'unknown'}`,
    memory: `${Math.round(totalmem() / 1024 ** 3)} GiB`,
    system: `${type()} ${release().split('.').slice(0, 2).join('.')}`,
  };
}

export function describeVersions(): Record<string, string> {
  const versions: Record<string, string> = { Node: process.versions.node, hoofbeat: commit() };
  for (const name of ['ws', 'stomp-broker-js', 'socket.io', 'better-sqlite3', 'ioredis', '@socket.io/redis-adapter']) {
    versions[name] = versionOf(name) ?? 'not installed';
  }
  versions['RabbitMQ'] = outputOf('dpkg-query', ['-W', '-f=${Version}', 'rabbitmq-server']) ?? 'not installed';
  versions['Redis'] = redisVersion() ?? 'not installed';
  return versions;
}

function commit(): string {
  const hash = outputOf('git', ['rev-parse', '--short', 'HEAD']);
  if (hash === null) return 'unknown commit';
  return outputOf('git', ['status', '--porcelain', '--untracked-files=no']) === null ? hash : `${hash}, changed`;
}

/** Null when there is none, or no such program. */
function outputOf(program: string, programArguments: readonly string[]): string | null {
  try {
    const text = execFileSync(program, programArguments, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
    return text === '' ? null : text;
  } catch {
    return null;
  }
}
