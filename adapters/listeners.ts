/** The ways in of one broker that have ports of their own: opened all or none, closed around the broker's own stop. */
import type { AcceptConnection, ListenAddress, Logger, Transport } from '../broker/ports.js';

export interface Listener {
  readonly transport: Transport;
  readonly host: string;
  readonly port: number;
}

export class Listeners {
  readonly #accept: AcceptConnection;
  readonly #open: Transport[] = [];

  constructor(accept: AcceptConnection) {
    this.#accept = accept;
  }

  /**
   * Listens on each in turn; after a failure none listens.
   * @throws Error of one line naming host, port and cause
   */
  async open(listeners: readonly Listener[]): Promise<readonly ListenAddress[]> {
    const addresses: ListenAddress[] = [];
    for (const { transport, host, port } of listeners) {
      this.#open.push(transport);
      try {
        addresses.push(await transport.listen(this.#accept));
      } catch (error) {
        await this.stopAccepting();
        await this.close();
        throw new Error(bindFault(host, port, error), { cause: error });
      }
    }
    return addresses;
  }

  /** No new connections; those that are open go on. */
  async stopAccepting(): Promise<void> {
    for (const transport of this.#open) await transport.stopAccepting();
  }

  /** Ends what is open and frees the ports. */
  async close(): Promise<void> {
    for (const transport of this.#open.splice(0)) await transport.close();
  }
}

/** One line in the log for each. */
export function logAddresses(addresses: readonly ListenAddress[], logger: Logger): void {
  for (const address of addresses) logger.info({ ...address }, 'listening');
}

/**
 * Runs `work` to its end. The broker's clock keeps no process alive, and once the last socket is gone nothing else does:
 * there may still be work to finish.
 */
export async function keepingProcess(work: () => Promise<void>): Promise<void> {
  const alive = setInterval(() => undefined, 60_000);
  try {
    await work();
  } finally {
    clearInterval(alive);
  }
}

/** One line for whoever started the server. */
export function bindFault(host: string, port: number, error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const where = `port ${port} on ${host}`;
  switch (code) {
    case 'EADDRINUSE':
      return `${where} is in use`;
    case 'EACCES':
      return `${where} needs rights that this process does not have`;
    case 'EADDRNOTAVAIL':
      return `${where} cannot be opened: no interface of this machine has that address`;
    case 'ENOTFOUND':
      return `${where} cannot be opened: the host name is unknown`;
    default:
      return `${where} cannot be opened: ${message}`;
  }
}
