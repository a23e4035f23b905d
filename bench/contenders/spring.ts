/**
 * Spring's simple broker, when a jar is supplied by `--spring-jar=`. What the jar has to be: started by
 * `java -jar <jar> --server.port=<port>`, it listens on 127.0.0.1 with a native WebSocket endpoint at `/ws`
 * (`registry.addEndpoint("/ws")`), `enableSimpleBroker("/topic", "/queue")`, application prefix `/app`, and a handler
 * `@MessageMapping("/echo") @SendToUser("/queue/replies")` that returns its payload. No security, no logging of messages.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuMicrosOf, endWithParent, freePort, memoryOf, terminate } from '../servers/broker-process.js';
import type { Peer } from './peer.js';

const STARTUP_MS = 60_000;

/** @param jar path; null when none was given */
export function springPeer(jar: string | null): Peer {
  return {
    name: 'Spring simple broker',
    isShared: true,
    hasCoarseClock: true,
    description: `${jar ?? 'no jar'}; java -jar, defaults of the JVM`,
    missing: () => {
      if (jar === null) return 'no jar was supplied by --spring-jar=';
      return existsSync(jar) ? null : `there is no file ${jar}`;
    },
    start: async () => {
      const httpPort = await freePort();
      const child = spawn('java', ['-jar', jar ?? '', `--server.port=${httpPort}`, '--server.address=127.0.0.1'], {
        stdio: ['ignore', 'ignore', 'inherit'],
      });
      endWithParent(child);
      const pid = child.pid ?? 0;
      const deadline = performance.now() + STARTUP_MS;
      while (!(await isListening(httpPort))) {
        if (child.exitCode !== null || performance.now() > deadline) throw new Error(`${jar ?? ''} does not start`);
        await sleep(100);
      }
      return {
        tcpPort: 0,
        httpPort,
        pid,
        cpuMicros: async () => cpuMicrosOf(pid),
        rssBytes: () => memoryOf(pid).rssBytes,
        stop: () => terminate(child),
      };
    },
  };
}

async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  const isOpen = await once(socket, 'connect').then(
    () => true,
    () => false,
  );
  socket.destroy();
  return isOpen;
}
