/** Peers that run: started when the first scenario wants them, each contender with a process of its own unless the peer is shared. */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import type { Contender } from './contenders/contender.js';
import type { Peer, RunningPeer } from './contenders/peer.js';
import type { Skipped } from './report/results.js';

export class PeerPool {
  /** For what peers write. */
  readonly directory: string;
  /** Part of the name of each peer that may take part; empty: all. hoofbeat always may. */
  readonly #chosen: readonly string[];
  readonly #nodeArguments: readonly string[];
  readonly #shared = new Map<string, Promise<RunningPeer>>();
  readonly #own = new Set<RunningPeer>();
  #started = 0;

  /** @param nodeArguments of hoofbeat's processes, e.g. `--cpu-prof` */
  constructor(directory: string, chosen: readonly string[], nodeArguments: readonly string[] = []) {
    this.directory = directory;
    this.#nodeArguments = nodeArguments;
    this.#chosen = chosen.map((name) => name.toLowerCase());
  }

  /** Those that can take part, and why the others cannot. */
  available<C extends Pick<Contender, 'name' | 'peer'>>(
    contenders: readonly C[],
  ): { readonly contenders: readonly C[]; readonly skipped: readonly Skipped[] } {
    const skipped: Skipped[] = [];
    const able = contenders.filter(({ name, peer }) => {
      const reason = this.#isChosen(name) ? peer.missing() : 'not among --peers=';
      if (reason !== null) skipped.push({ contender: name, reason });
      return reason === null;
    });
    return { contenders: able, skipped };
  }

  async start(peer: Peer): Promise<RunningPeer> {
    const directory = path.join(this.directory, `${++this.#started}`);
    await mkdir(directory, { recursive: true });
    if (peer.isShared !== true) {
      const isOwn = peer.name === 'hoofbeat';
      const running = await peer.start(directory, isOwn ? this.#nodeArguments : []);
      this.#own.add(running);
      return running;
    }
    const shared = this.#shared.get(peer.name) ?? peer.start(directory);
    this.#shared.set(peer.name, shared);
    return shared;
  }

  /** Ends one that is not shared; a shared one stays for whoever comes next. */
  async release(peer: RunningPeer): Promise<void> {
    if (this.#own.delete(peer)) await peer.stop();
  }

  async stop(): Promise<void> {
    for (const peer of this.#own) await peer.stop();
    this.#own.clear();
    const shared = await Promise.allSettled(this.#shared.values());
    this.#shared.clear();
    for (const peer of shared) if (peer.status === 'fulfilled') await peer.value.stop();
  }

  #isChosen(name: string): boolean {
    const lower = name.toLowerCase();
    return (
      this.#chosen.length === 0 || lower.startsWith('hoofbeat') || this.#chosen.some((part) => lower.includes(part))
    );
  }
}
