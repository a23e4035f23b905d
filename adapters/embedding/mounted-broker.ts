/** A broker inside HTTP servers of the application: what createBroker and the Fastify plugin are made of. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Broker } from '../../broker/broker.js';
import type { Connection, ConnectionListener, ListenAddress, Logger } from '../../broker/ports.js';
import { composeBroker, composeEndpoints, composeLogger, composeTcp, type CompositionPorts } from '../composition.js';
import type { ResolvedServerOptions } from '../config/index.js';
import type { SessionRecorder } from '../connection-log/index.js';
import { keepingProcess, Listeners, logAddresses } from '../listeners.js';
import { attachEndpoints, type AttachedEndpoints } from '../transports/index.js';
import { type EmbeddedOptions, resolveEmbeddedOptions } from './embedded-options.js';

export class MountedBroker {
  readonly broker: Broker;
  readonly options: ResolvedServerOptions;
  readonly connectionLog: SessionRecorder | null;
  readonly #logger: Logger;
  readonly #listeners: Listeners;
  readonly #loadAccess: () => Promise<void>;
  readonly #attached = new Map<Server, AttachedEndpoints>();
  #addresses: readonly ListenAddress[] = [];
  #starting: Promise<void> | null = null;
  #stopping: Promise<void> | null = null;

  /** @throws OptionsError naming every option that is wrong */
  constructor(options: EmbeddedOptions, ports: CompositionPorts) {
    this.options = resolveEmbeddedOptions(options);
    this.#logger = composeLogger(this.options, ports);
    const { broker, loadAccess, connectionLog } = composeBroker(this.options, ports, this.#logger);
    this.broker = broker;
    this.connectionLog = connectionLog;
    this.#loadAccess = loadAccess;
    this.#listeners = new Listeners((connection) => this.broker.accept(connection));
  }

  /** Of the `tcp` listener; empty without one, before start and after stop. */
  get addresses(): readonly ListenAddress[] {
    return this.#addresses;
  }

  /** Takes the paths of the endpoints from now on, whether the server listens already or not. */
  mount(server: Server): void {
    if (this.#stopping !== null) throw new Error('the broker was stopped');
    if (this.#attached.has(server)) throw new Error('the broker is attached to this server already');
    const accept = (connection: Connection): ConnectionListener | null => this.broker.accept(connection);
    const attached = attachEndpoints(server, composeEndpoints(this.options), accept, this.#logger);
    this.#attached.set(server, attached);
    this.#logger.info({ endpoints: attached.paths }, 'STOMP endpoints attached');
  }

  /** Whether the request was for an endpoint, which then answers it. */
  take(server: Server, request: IncomingMessage, response: ServerResponse): boolean {
    return this.#attached.get(server)?.take(request, response) === true;
  }

  /** Lets clients in and opens the `tcp` listener. Calls after the first wait for it. */
  start(): Promise<void> {
    this.#starting ??= this.#start();
    return this.#starting;
  }

  stop(deadlineMs?: number): Promise<void> {
    this.#stopping ??= keepingProcess(() => this.#stop(deadlineMs));
    return this.#stopping;
  }

  async #start(): Promise<void> {
    await this.#loadAccess();
    const listeners = await composeTcp(this.options, this.#logger);
    await this.connectionLog?.open();
    try {
      await this.broker.start();
      this.#addresses = await this.#listeners.open(listeners);
      logAddresses(this.#addresses, this.#logger);
    } catch (error) {
      await keepingProcess(async () => {
        await this.broker.stop(0);
        await this.connectionLog?.close();
      });
      throw error;
    }
  }

  async #stop(deadlineMs: number | undefined): Promise<void> {
    // A start under way is let finish, so that what it opened is closed; its failure is its caller's to see.
    await this.#starting?.catch(() => undefined);
    for (const attached of this.#attached.values()) attached.stopAccepting();
    await this.#listeners.stopAccepting();
    await this.broker.stop(deadlineMs);
    for (const attached of this.#attached.values()) attached.detach();
    await this.#listeners.close();
    await this.connectionLog?.close();
    this.#addresses = [];
  }
}
