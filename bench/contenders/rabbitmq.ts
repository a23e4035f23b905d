/** RabbitMQ of the Debian package, STOMP over TCP and Web-STOMP: one node, its CPU time that of all its processes. */
import path from 'node:path';
import { cpuMicrosOf, memoryOf, processTree } from '../servers/broker-process.js';
import { hasRabbitMq, startRabbitMq } from '../servers/rabbitmq-process.js';
import type { Peer } from './peer.js';

export const rabbitMq: Peer = {
  name: 'RabbitMQ',
  isShared: true,
  hasCoarseClock: true,
  isCompiled: true,
  description: 'of the Debian package; STOMP and Web-STOMP plugins, defaults, schedulers without busy waiting',
  missing: () => (hasRabbitMq() ? null : "Debian's rabbitmq-server is not installed"),
  start: async (directory) => {
    const broker = await startRabbitMq(path.join(directory, 'rabbitmq'));
    const sum = (figure: (pid: number) => number): number =>
      processTree(broker.pid).reduce((total, pid) => total + figure(pid), 0);
    return {
      tcpPort: broker.port,
      httpPort: broker.webPort,
      pid: broker.pid,
      cpuMicros: async () => sum(cpuMicrosOf),
      rssBytes: () => sum((pid) => memoryOf(pid).rssBytes),
      stop: () => broker.stop(),
    };
  },
};
