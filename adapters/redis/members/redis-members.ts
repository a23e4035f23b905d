/**
 * This node among the others: a lease in Redis, renewed every third of its length, and the list of who else has one. A node
 * whose lease is over is removed by whichever node notices first; every other node notices by the list.
 */
import { randomBytes } from 'node:crypto';
import { BrokerError } from '../../../broker/errors.js';
import type { Clock, ClusterMembers, Logger, MembershipListener, RelayProblem } from '../../../broker/ports.js';
import { textOf } from '../connection/deferred.js';
import type { RedisCommands } from '../connection/redis-commands.js';
import type { RedisKeys } from '../connection/redis-keys.js';
import type { RedisScript } from '../connection/redis-script.js';
import { KnownMembers } from './known-members.js';
import { JOIN, LEAVE, type LeaseAnswer, readAnswer, RENEW } from './lease-scripts.js';
import { Standstill } from './standstill.js';

export interface RedisMembersOptions {
  /** The same nobody else in the cluster has. */
  readonly nodeId: string;
  /** A node that has not renewed for so long is given up by the others. */
  readonly leaseMs: number;
}

export interface RedisMembersPorts {
  readonly commands: RedisCommands;
  readonly keys: RedisKeys;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Redis is not asked more often than that, whatever is due. */
const MIN_INTERVAL_MS = 10;
/** Incarnations of its own that a node knows again. */
const MAX_FORMERS = 8;
/** Whether a Redis that was away is back. */
const LOOK_INTERVAL_MS = 50;

export class RedisMembers implements ClusterMembers {
  readonly nodeId: string;
  readonly #leaseMs: number;
  readonly #ports: RedisMembersPorts;
  readonly #keys: readonly string[];
  readonly #known = new KnownMembers();
  readonly #standstill: Standstill;
  readonly #listeners = new Set<MembershipListener>();
  #incarnation: string;
  /** Its own that others gave up: a Redis that has failed over may have them still. */
  #formers: readonly string[] = [];
  #isMember = false;
  /** Somebody else has its nodeId. */
  #isReplaced = false;
  #isRunning = false;
  #problem: RelayProblem | null = null;
  /** What the state in Redis is called, as it was told last. */
  #state = '';
  /** Of the last answer. */
  #answeredMs = -Infinity;
  /** Until then nobody is removed by this node: it was out of touch, as everybody else may have been. */
  #sweepsFromMs = 0;
  #asking: Promise<void> | null = null;
  #stopWaiting: (() => void) | null = null;
  #stopListening: (() => void) | null = null;

  constructor({ nodeId, leaseMs }: RedisMembersOptions, ports: RedisMembersPorts) {
    this.nodeId = nodeId;
    this.#leaseMs = leaseMs;
    this.#ports = ports;
    this.#keys = [ports.keys.of('nodes'), ports.keys.of('nodes:epoch')];
    this.#incarnation = newIncarnation(nodeId);
    this.#standstill = new Standstill({
      clock: ports.clock,
      leaseMs,
      recover: (stoodMs) => this.#recover(stoodMs),
    });
  }

  get incarnation(): string {
    return this.#incarnation;
  }

  get isMember(): boolean {
    return this.#isMember;
  }

  get members(): readonly string[] {
    return [this.#incarnation, ...this.#known.incarnations];
  }

  get problem(): RelayProblem | null {
    return this.#problem;
  }

  listen(listener: MembershipListener): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  async start(): Promise<void> {
    const { commands } = this.#ports;
    this.#isRunning = true;
    await commands.start();
    await this.#joinFirst();
    this.#standstill.start();
    this.#stopListening = commands.onChange((isUp) => {
      if (isUp) void this.#ask();
    });
    this.#schedule(this.#isMember);
  }

  caughtUp(): Promise<void> | undefined {
    return this.#standstill.caughtUp();
  }

  async refresh(): Promise<readonly string[]> {
    // What is on its way may have been answered before this was asked.
    await this.#asking;
    await this.#ask();
    return this.members;
  }

  async stop(): Promise<void> {
    if (!this.#isRunning) return;
    this.#isRunning = false;
    this.#standstill.stop();
    this.#stopListening?.();
    this.#stopWaiting?.();
    this.#stopListening = this.#stopWaiting = null;
    await this.#asking;
    if (this.#isMember) {
      this.#isMember = false;
      // Without it the others wait for the lease to be over.
      await this.#run(LEAVE, [this.#incarnation]).catch(() => undefined);
    }
    await this.#ports.commands.stop();
  }

  /** Waits for the lease of a former run with this nodeId, unless somebody renews it. */
  async #joinFirst(): Promise<void> {
    let seen: { readonly holder: string; readonly endMs: number } | null = null;
    while (this.#ports.commands.isUp) {
      let answer: LeaseAnswer;
      try {
        answer = await this.#join();
      } catch (error) {
        this.#failed(error);
        return;
      }
      if (answer.word === 'joined') return;
      const [holder, endMs] = this.#holderIn(answer);
      if (seen !== null && (seen.holder !== holder || endMs > seen.endMs)) {
        throw new BrokerError('node-id-in-use', inUse(this.nodeId, holder));
      }
      if (seen === null) {
        this.#ports.logger.info(
          { nodeId: this.nodeId, former: holder },
          'waiting for the lease of a former run to end',
        );
      }
      seen = { holder, endMs };
      await this.#wait(Math.min(endMs - answer.nowMs + 1, this.#leaseMs / 6));
    }
  }

  /** Renews, or joins; one at a time. Never rejects. */
  #ask(): Promise<void> {
    this.#asking ??= this.#renewOrJoin()
      .catch((error: unknown) => {
        this.#failed(error);
        return false;
      })
      .then((isAnswered) => {
        this.#asking = null;
        this.#schedule(isAnswered);
      });
    return this.#asking;
  }

  /** @returns whether this node is a member, and knows of the others */
  async #renewOrJoin(): Promise<boolean> {
    if (!this.#ports.commands.isUp) return false;
    if (this.#isMember) {
      const answer = await this.#renew();
      if (answer.word === 'renewed') return true;
      this.#left(answer);
    }
    const answer = await this.#join();
    if (answer.word === 'held') this.#replaced(this.#holderIn(answer)[0]);
    return answer.word === 'joined';
  }

  async #renew(): Promise<LeaseAnswer> {
    const { clock } = this.#ports;
    this.#noticeSilence();
    const askedMs = clock.nowMs();
    const maySweep = askedMs >= this.#sweepsFromMs ? '1' : '0';
    const answer = readAnswer(
      await this.#run(RENEW, [this.#incarnation, String(this.#leaseMs), this.#state, maySweep]),
    );
    if (answer.word === 'renewed') {
      this.#standstill.renewed(askedMs);
      this.#answered(answer);
    }
    return answer;
  }

  async #join(): Promise<LeaseAnswer> {
    this.#noticeSilence();
    const { clock, logger } = this.#ports;
    const askedMs = clock.nowMs();
    const [own, fresh] = [this.#incarnation, randomBytes(8).toString('hex')];
    const answer = readAnswer(
      await this.#run(JOIN, [own, this.nodeId, String(this.#leaseMs), fresh, ...this.#formers]),
    );
    if (answer.word !== 'joined') return answer;
    this.#standstill.renewed(askedMs);
    logger.info({ incarnation: own, nodes: answer.leases.size }, 'this node is a member of the cluster');
    this.#isMember = true;
    this.#isReplaced = false;
    this.#answered(answer, () => {
      this.#tell((listener) => listener.onJoined?.(own));
      for (const former of answer.replaced) this.#tellGone(former);
    });
    return answer;
  }

  /** It goes on when it is a member, or cannot be one for now; a Redis that is away is waited for no longer than a lease. */
  async #recover(stoodMs: number): Promise<void> {
    const { clock, commands, logger } = this.#ports;
    logger.warn({ stoodMs: Math.round(stoodMs) }, 'this node stood still beyond its lease: it asks before it goes on');
    const untilMs = clock.nowMs() + this.#leaseMs;
    while (this.#isRunning && clock.nowMs() < untilMs) {
      if (commands.isUp) await this.#ask();
      // What was asked before it stood still is answered first, and says nothing of now.
      if ((this.#isMember && !this.#standstill.isLeaseOver) || this.#problem !== null) return;
      if (!commands.isUp) await this.#wait(LOOK_INTERVAL_MS);
    }
  }

  /** Nobody is removed for as long as a lease after this node was out of touch, be it by Redis or by itself. */
  #noticeSilence(): void {
    const nowMs = this.#ports.clock.nowMs();
    if (nowMs - this.#answeredMs > this.#leaseMs / 2) this.#sweepsFromMs = nowMs + this.#leaseMs;
  }

  /** @param first told before what has changed with others */
  #answered(answer: LeaseAnswer, first: () => void = () => undefined): void {
    this.#problem = null;
    this.#state = answer.state;
    this.#answeredMs = this.#ports.clock.nowMs();
    const { joined, gone } = this.#known.update(answer, this.#incarnation, this.#answeredMs);
    first();
    for (const incarnation of joined) this.#tell((listener) => listener.onNodeJoined?.(incarnation));
    for (const incarnation of gone) this.#tellGone(incarnation);
  }

  #tellGone(incarnation: string): void {
    this.#ports.logger.info({ gone: incarnation }, 'another node has left, or was given up');
    this.#tell((listener) => listener.onNodeGone?.(incarnation));
  }

  /** The lease is not there any more: taken away by others, or lost by Redis with everybody's. */
  #left({ word }: LeaseAnswer): void {
    const { clock, logger } = this.#ports;
    this.#isMember = false;
    if (word === 'lost') {
      logger.warn({ incarnation: this.#incarnation }, 'Redis has lost the list of nodes: this node joins again');
      this.#known.forgive(clock.nowMs() + this.#leaseMs);
      return;
    }
    const former = this.#incarnation;
    this.#formers = [former, ...this.#formers].slice(0, MAX_FORMERS);
    this.#incarnation = newIncarnation(this.nodeId);
    logger.warn({ former, incarnation: this.#incarnation }, 'other nodes gave this one up: it joins again as another');
    this.#tell((listener) => listener.onGivenUp?.(former));
  }

  #replaced(holder: string): void {
    this.#setProblem(inUse(this.nodeId, holder));
    if (this.#isReplaced) return;
    this.#isReplaced = true;
    this.#tell((listener) => listener.onReplaced?.());
  }

  #holderIn({ leases }: LeaseAnswer): readonly [string, number] {
    const prefix = `${this.nodeId}/`;
    const held = [...leases].find(([each]) => each.startsWith(prefix) && each !== this.#incarnation);
    return held ?? ['?', 0];
  }

  #failed(error: unknown): void {
    // That Redis is away is said by whoever has the connection.
    const isAway = error instanceof BrokerError && error.code !== 'relay-refused';
    if (!isAway) this.#setProblem(`the lease of this node cannot be renewed: ${textOf(error)}`);
  }

  #setProblem(message: string): void {
    const { clock, logger } = this.#ports;
    if (this.#problem === null) logger.error({ nodeId: this.nodeId }, message);
    this.#problem = { message, sinceEpochMs: this.#problem?.sinceEpochMs ?? clock.epochMs() };
  }

  /** The next renewal; earlier when the lease of another is over before that. */
  #schedule(isAnswered: boolean): void {
    if (!this.#isRunning) return;
    const overdueMs = Math.max(this.#known.firstEndMs + 1, this.#sweepsFromMs);
    const delayMs = isAnswered ? Math.max(MIN_INTERVAL_MS, overdueMs - this.#ports.clock.nowMs()) : Infinity;
    this.#stopWaiting?.();
    this.#stopWaiting = this.#after(Math.min(this.#leaseMs / 3, delayMs), () => {
      void this.#ask();
    });
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#after(Math.max(MIN_INTERVAL_MS, ms), resolve);
    });
  }

  #after(ms: number, task: () => void): () => void {
    const stop = this.#ports.clock.every(ms, () => {
      stop();
      task();
    });
    return stop;
  }

  #run(lua: RedisScript, args: readonly string[]): Promise<unknown> {
    return this.#ports.commands.run(lua, this.#keys, args, true);
  }

  #tell(call: (listener: MembershipListener) => void): void {
    for (const listener of [...this.#listeners]) call(listener);
  }
}

function newIncarnation(nodeId: string): string {
  return `${nodeId}/${randomBytes(8).toString('hex')}`;
}

function inUse(nodeId: string, holder: string): string {
  return `broker.nodeId: another node (${holder}) is called ${JSON.stringify(nodeId)} too, wants a name of its own for each`;
}
