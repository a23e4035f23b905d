/** A TCP proxy on a free loopback port: cuts, freezes and opens again the way between a node and what stands behind it. */
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { Test } from 'tap';

export class TcpProxy {
  readonly #target: number;
  readonly #server: Server;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  #isFrozen = false;
  #isClosed = false;
  #isDeaf = false;

  private constructor(target: number) {
    this.#target = target;
    this.#server = createServer((socket) => {
      this.#accept(socket);
    });
  }

  /** Gone with the test. @param target a loopback port */
  static async start(t: Test, target: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(target);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    t.teardown(() => {
      proxy.cut();
      proxy.#server.close();
    });
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Open now. */
  get connections(): number {
    return this.#pairs.size;
  }

  /** Resets every connection; new ones are taken, unless `isClosed`. */
  cut(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
    this.#pairs.clear();
  }

  /** While it is closed new connections are reset at once. */
  set isClosed(isClosed: boolean) {
    this.#isClosed = isClosed;
    if (isClosed) this.cut();
  }

  /** While it is frozen nothing passes, and nobody is told. */
  set isFrozen(isFrozen: boolean) {
    this.#isFrozen = isFrozen;
    this.#flowAll();
  }

  /** While it is deaf what is sent passes, and nothing comes back. */
  set isDeaf(isDeaf: boolean) {
    this.#isDeaf = isDeaf;
    this.#flowAll();
  }

  #accept(near: Socket): void {
    near.on('error', () => undefined);
    if (this.#isClosed) {
      near.resetAndDestroy();
      return;
    }
    const far = connect(this.#target, '127.0.0.1');
    const pair = [near, far] as const;
    this.#pairs.add(pair);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on('data', (octets) => to.write(octets));
      from.on('error', () => undefined);
      from.on('close', () => {
        this.#pairs.delete(pair);
        to.destroy();
      });
    }
    this.#flowAll();
  }

  #flowAll(): void {
    for (const [near, far] of this.#pairs) {
      this.#flow(near, this.#isFrozen);
      this.#flow(far, this.#isFrozen || this.#isDeaf);
    }
  }

  #flow(socket: Socket, isHeld: boolean): void {
    if (isHeld) socket.pause();
    else socket.resume();
  }
}
