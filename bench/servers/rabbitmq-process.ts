/**
 * RabbitMQ of the Debian package with its STOMP plugin, as a node of its own: name, ports, cookie, data and logs are in a
 * folder of the bench, so that nothing of the system's installation is touched. Runs without rabbitmqctl and its daemon.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { endWithParent, freePort, terminate, type BrokerProcess } from './broker-process.js';

const PROGRAM = '/usr/lib/rabbitmq/bin/rabbitmq-server';
/** Erlang's name service, normally a daemon; here a child like the others. */
const EPMD = '/usr/bin/epmd';
const STARTUP_MS = 60_000;
/** By default its schedulers spin for a while before they sleep, which would count as CPU time of deliveries. */
const NO_BUSY_WAIT = '+sbwt none +sbwtdcpu none +sbwtdio none';

export function hasRabbitMq(): boolean {
  return existsSync(PROGRAM) && existsSync(EPMD);
}

/** With a WebSocket beside TCP. */
export interface RabbitMqProcess extends BrokerProcess {
  /** Web-STOMP, path `/ws`. */
  readonly webPort: number;
}

export interface RabbitMqTerms {
  /** STOMP over TCP; the same one again is for a node that comes back. Default: a free one. */
  readonly port?: number | undefined;
  /** File with users and their rights, in RabbitMQ's JSON. Default: guest, who may do everything. */
  readonly definitions?: string | undefined;
}

/** @param directory for everything the node writes, on the disk to be measured; made when missing */
export async function startRabbitMq(directory: string, terms: RabbitMqTerms = {}): Promise<RabbitMqProcess> {
  const [port, webPort] = [terms.port ?? (await freePort()), await freePort()];
  const [epmdPort, distributionPort] = [await freePort(), await freePort()];
  for (const folder of ['mnesia', 'log']) await mkdir(path.join(directory, folder), { recursive: true });
  const lines = ['listeners.tcp = none', `stomp.listeners.tcp.1 = 127.0.0.1:${port}`, 'log.file.level = warning'];
  lines.push('web_stomp.tcp.ip = 127.0.0.1', `web_stomp.tcp.port = ${webPort}`);
  const login = ['stomp.default_user = guest', 'stomp.default_pass = guest'];
  const definitions = terms.definitions === undefined ? [] : [`load_definitions = ${terms.definitions}`];
  await writeFile(path.join(directory, 'rabbitmq.conf'), [...lines, ...login, ...definitions, ''].join('\n'));
  await writeFile(path.join(directory, 'enabled_plugins'), '[rabbitmq_stomp,rabbitmq_web_stomp].\n');
  const environment = {
    PATH: process.env['PATH'],
    HOME: directory,
    ERL_EPMD_ADDRESS: '127.0.0.1',
    ERL_EPMD_PORT: String(epmdPort),
    RABBITMQ_NODENAME: `hoofbeat-bench-${process.pid}@localhost`,
    RABBITMQ_DIST_PORT: String(distributionPort),
    RABBITMQ_MNESIA_BASE: path.join(directory, 'mnesia'),
    RABBITMQ_LOG_BASE: path.join(directory, 'log'),
    RABBITMQ_CONFIG_FILE: path.join(directory, 'rabbitmq'),
    RABBITMQ_CONF_ENV_FILE: '/dev/null',
    RABBITMQ_ENABLED_PLUGINS_FILE: path.join(directory, 'enabled_plugins'),
    RABBITMQ_PID_FILE: path.join(directory, 'pid'),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: `-start_epmd false -kernel inet_dist_use_interface {127,0,0,1} ${NO_BUSY_WAIT}`,
    // The start script becomes the server, so that its PID is the server's.
    RUNNING_UNDER_SYSTEMD: '1',
  };
  const epmd = spawn(EPMD, ['-port', String(epmdPort)], { env: environment, stdio: 'ignore' });
  endWithParent(epmd);
  const child = spawn(PROGRAM, { env: environment, stdio: ['ignore', 'ignore', 'inherit'] });
  endWithParent(child);
  await listening(port, child);
  await listening(webPort, child);
  return {
    name: 'RabbitMQ',
    port,
    webPort,
    pid: child.pid ?? 0,
    settings: 'defaults, without busy waiting',
    stop: async () => {
      await terminate(child);
      await terminate(epmd);
    },
  };
}

/** Nothing tells when the plugin listens but the port itself. */
async function listening(port: number, child: ChildProcess): Promise<void> {
  const deadline = performance.now() + STARTUP_MS;
  for (;;) {
    const socket = connect(port, '127.0.0.1');
    const isOpen = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (isOpen) return;
    if (child.exitCode !== null || performance.now() > deadline) throw new Error('RabbitMQ does not start');
    await sleep(100);
  }
}
