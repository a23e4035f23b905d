/** A broker inside HTTP servers of the application: what createBroker and the Fastify plugin are made of. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Broker } from '../../broker/broker.js';
import type { ListenAddress, Logger } from '../../broker/ports.js';
import { composeBroker, composeLogger, type CompositionPorts } from '../composition.js';
import { attachGateways, composeEndpoints, composeGatewayHost } from '../endpoint-composition.js';
import type { ResolvedServerOptions } from '../config/index.js';
import type { SessionRecorder } from '../connection-log/index.js';
import type { Gateway, GatewayHost } from '../gateways/index.js';
import { composeTcp } from '../listener-composition.js';
import { keepingProcess, Listeners, logAddresses } from '../listeners.js';
import type { ComposedAdmin } from '../admin-composition.js';
import { lookAfter } from '../looked-after.js';
import type { ReloadableAccess } from '../reloadable-access.js';
import { SystemClock } from '../system-clock.js';
import { attachEndpoints, type AttachedEndpoints } from '../transports/index.js';
import { type EmbeddedOptions, resolveEmbeddedOptions } from './embedded-options.js';

export class MountedBroker {
  readonly broker: Broker;
  readonly options: ResolvedServerOptions;
  readonly connectionLog: SessionRecorder | null;
  readonly #logger: Logger;
  readonly #listeners: Listeners;
  readonly #access: ReloadableAccess;
  readonly #admin: ComposedAdmin | null;
  readonly #gateways: readonly Gateway[];
  readonly #gatewayHost: GatewayHost;
  /** What sits on each server, the endpoints first. */
  readonly #attached = new Map<Server, readonly AttachedEndpoints[]>();
  #addresses: readonly ListenAddress[] = [];
  #starting: Promise<void> | null = null;
  #stopping: Promise<void> | null = null;
  #isBrokerStopping = false;

  /** @throws OptionsError naming every option that is wrong */
  constructor(options: EmbeddedOptions, ports: CompositionPorts) {
    this.options = resolveEmbeddedOptions(options);
    this.#logger = composeLogger(this.options, ports);
    const clock = ports.clock ?? new SystemClock();
    const composed = composeBroker(this.options, { ...ports, clock }, this.#logger);
    const { broker, access, connectionLog } = composed;
    this.broker = broker;
    this.connectionLog = connectionLog;
    this.#gateways = ports.gateways ?? [];
    this.#gatewayHost = composeGatewayHost(composed, { clock, logger: this.#logger });
    this.#access = access;
    this.#admin = lookAfter(this.options, {
      broker,
      access,
      clock,
      logger: this.#logger,
      addresses: () => this.#addresses,
      read: null,
    }).admin;
    this.#listeners = new Listeners(this.broker.acceptor);
  }

  /** Of the `tcp` listener; empty without one, before start and after stop. */
  get addresses(): readonly ListenAddress[] {
    return this.#addresses;
  }

  /** Takes the paths of the endpoints from now on, whether the server listens already or not. */
  mount(server: Server): void {
    if (this.#stopping !== null) throw new Error('the broker was stopped');
    if (this.#attached.has(server)) throw new Error('the broker is attached to this server already');
    const endpoints = attachEndpoints(server, composeEndpoints(this.options), this.broker.acceptor, this.#logger);
    this.#logger.info({ endpoints: endpoints.paths }, 'STOMP endpoints attached');
    this.#attached.set(server, [endpoints, ...attachGateways(server, this.#gateways, this.#gatewayHost)]);
  }

  /** Whether the request was for an endpoint, which then answers it. */
  take(server: Server, request: IncomingMessage, response: ServerResponse): boolean {
    // As they stand on the server itself: the gateways, attached last, are in front.
    return this.#attached.get(server)?.findLast((each) => each.take(request, response)) !== undefined;
  }

  /** Lets clients in and opens the `tcp` listener. Calls after the first wait for it. */
  start(): Promise<void> {
    this.#starting ??= this.#start();
    return this.#starting;
  }

  stop(deadlineMs?: number): Promise<void> {
    if (this.#stopping === null) this.#stopping = keepingProcess(() => this.#stop(deadlineMs));
    else if (deadlineMs !== undefined && this.#isBrokerStopping) void this.broker.stop(deadlineMs);
    return this.#stopping;
  }

  async #start(): Promise<void> {
    await this.#access.load();
    const listeners = await composeTcp(this.options, this.#logger);
    await this.connectionLog?.open();
    try {
      const address = (await this.#admin?.open()) ?? null;
      await this.broker.start();
      const addresses = await this.#listeners.open(listeners);
      this.#addresses = address === null ? addresses : [...addresses, address];
      logAddresses(this.#addresses, this.#logger);
    } catch (error) {
      await keepingProcess(async () => {
        await this.broker.stop(0);
        await this.connectionLog?.close();
        await this.#admin?.close();
      });
      throw error;
    }
  }

  async #stop(deadlineMs: number | undefined): Promise<void> {
    // A start under way is let finish, so that what it opened is closed; its failure is its caller's to see.
    await this.#starting?.catch(() => undefined);
    const attached = [...this.#attached.values()].flat();
    for (const each of attached) each.stopAccepting();
    await this.#listeners.stopAccepting();
    this.#isBrokerStopping = true;
    await this.broker.stop(deadlineMs);
    this.#isBrokerStopping = false;
    for (const each of attached) each.detach();
    await this.#listeners.close();
    await this.connectionLog?.close();
    await this.#admin?.close();
    this.#addresses = [];
  }
}
