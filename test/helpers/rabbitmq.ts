/** A RabbitMQ node with its STOMP plugin for one test file: a folder, ports and users of its own; it can go and come back. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startRabbitMq } from '../../bench/servers/rabbitmq-process.js';
import type { BrokerProcess } from '../../bench/servers/broker-process.js';

export interface RabbitMqUser {
  readonly name: string;
  readonly password: string;
  /** Regular expression over names of queues and exchanges that may be read. */
  readonly read: string;
}

export class RabbitMqNode {
  readonly #directory: string;
  readonly #definitions: string;
  #process: BrokerProcess;

  private constructor(directory: string, definitions: string, process: BrokerProcess) {
    this.#directory = directory;
    this.#definitions = definitions;
    this.#process = process;
  }

  /** With guest, who may do everything, and others. */
  static async start(users: readonly RabbitMqUser[] = []): Promise<RabbitMqNode> {
    const directory = await mkdtemp(path.join(tmpdir(), 'hoofbeat-rabbitmq-'));
    const definitions = path.join(directory, 'definitions.json');
    const all = [{ name: 'guest', password: 'guest', read: '.*' }, ...users];
    await writeFile(
      definitions,
      JSON.stringify({
        users: all.map(({ name, password }) => ({ name, password, tags: '' })),
        vhosts: [{ name: '/' }],
        permissions: all.map(({ name, read }) => ({ user: name, vhost: '/', configure: '.*', write: '.*', read })),
      }),
    );
    return new RabbitMqNode(directory, definitions, await startRabbitMq(directory, { definitions }));
  }

  get port(): number {
    return this.#process.port;
  }

  /** Down; its messages stay in its folder if they are persistent. */
  async stop(): Promise<void> {
    await this.#process.stop();
  }

  /** Up again, at the same port. */
  async restart(): Promise<void> {
    const { port } = this.#process;
    this.#process = await startRabbitMq(this.#directory, { port, definitions: this.#definitions });
  }

  /** For good. */
  async remove(): Promise<void> {
    await this.stop();
    await rm(this.#directory, { recursive: true, force: true });
  }
}
