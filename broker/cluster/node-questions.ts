/**
 * Questions that one node asks all of them, itself included. Who does not answer within the deadline is named; nothing waits
 * for a node that is dead, frozen or out of reach, and every node answers for itself alone.
 */
import { BrokerError } from '../errors.js';
import type { Clock, ClusterMembers, Logger } from '../ports.js';
import type { Cluster } from './cluster.js';

export interface NodeQuestionsParts {
  /** Null: there are no other nodes. */
  readonly cluster: Cluster | null;
  /** Null: nobody knows which other nodes there are; those that answer within the deadline count. */
  readonly members: ClusterMembers | null;
  readonly nodeId: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly createId: () => string;
}

export interface AskOptions {
  /** How long other nodes are waited for. Default: 1,000. */
  readonly deadlineMs?: number | undefined;
}

export interface NodeAnswer<T> {
  readonly nodeId: string;
  readonly answer: T;
}

export interface NodeAnswers<T> {
  /** Of every node that answered, this one first. */
  readonly nodes: readonly NodeAnswer<T>[];
  /** Nodes of the cluster that did not: dead and not given up yet, out of reach, too slow, or of another version. */
  readonly missing: readonly string[];
}

/** What a node does to answer; arguments and answer are what JSON can say. */
type Answerer = (args: unknown) => unknown;

/** Of one question, until it is closed. */
interface Round {
  readonly answers: Map<string, NodeAnswer<unknown>>;
  /** Runs that have said that they cannot. */
  readonly failed: Set<string>;
  /** Runs of other nodes that are not waited for any more. */
  readonly gone: Set<string>;
  /** Runs of nodes that are waited for; null: not known yet. */
  expected: readonly string[] | null;
  readonly close: () => void;
}

interface Question {
  readonly version: number;
  readonly id: string;
  readonly kind: string;
  readonly args: unknown;
  /** Where the answer goes. */
  readonly replyTo: string;
}

interface Reply {
  readonly version: number;
  readonly id: string;
  readonly nodeId: string;
  readonly incarnation: string;
  readonly answer?: unknown;
  /** One line: why there is none. */
  readonly error?: string | undefined;
}

const VERSION = 1;
const DEFAULT_DEADLINE_MS = 1_000;
const ALL_NODES = '/$nodes';
const ONE_NODE = '/$node/';

export class NodeQuestions {
  readonly #parts: NodeQuestionsParts;
  readonly #answerers = new Map<string, Answerer>();
  readonly #rounds = new Map<string, Round>();
  /** Where answers for this node arrive. */
  readonly #address: string;

  constructor(parts: NodeQuestionsParts) {
    this.#parts = parts;
    this.#address = ONE_NODE + parts.createId();
    const { cluster, members } = parts;
    cluster?.hear(ALL_NODES, (octets) => {
      this.#onQuestion(octets);
    });
    cluster?.hear(this.#address, (octets) => {
      this.#onReply(octets);
    });
    members?.listen({
      onNodeGone: (incarnation) => {
        for (const round of this.#rounds.values()) {
          round.gone.add(incarnation);
          this.#closeIfComplete(round);
        }
      },
    });
  }

  /** What this node answers to questions of that kind, its own included. */
  answer(kind: string, answerer: Answerer): void {
    this.#answerers.set(kind, answerer);
  }

  /**
   * Asks every node. Resolves when all have answered, at the latest with the deadline.
   * @throws BrokerError `invalid-option`, and whatever this node's own answer is refused with
   */
  async ask<T>(
    kind: string,
    args: unknown,
    { deadlineMs = DEFAULT_DEADLINE_MS }: AskOptions = {},
  ): Promise<NodeAnswers<T>> {
    if (!Number.isFinite(deadlineMs) || deadlineMs <= 0) {
      throw new BrokerError('invalid-option', `deadlineMs: got ${deadlineMs}, wants a number above 0`);
    }
    const own = (await this.#answerers.get(kind)?.(args)) as T;
    const { nodeId } = this.#parts;
    const others = await this.#askOthers(kind, args, deadlineMs);
    return { nodes: [{ nodeId, answer: own }, ...(others.nodes as NodeAnswer<T>[])], missing: others.missing };
  }

  /** Nobody is waited for any more. */
  stop(): void {
    for (const round of this.#rounds.values()) round.close();
  }

  async #askOthers(kind: string, args: unknown, deadlineMs: number): Promise<NodeAnswers<unknown>> {
    const { cluster, members, createId, clock } = this.#parts;
    if (cluster === null) return { nodes: [], missing: [] };
    const id = createId();
    const round = await new Promise<Round>((resolve) => {
      const close = (): void => {
        stop();
        this.#rounds.delete(id);
        resolve(round);
      };
      const stop = clock.every(deadlineMs, close);
      const round: Round = { answers: new Map(), failed: new Set(), gone: new Set(), expected: null, close };
      this.#rounds.set(id, round);
      if (!cluster.isReachable) {
        close();
        return;
      }
      const question: Question = { version: VERSION, id, kind, args, replyTo: this.#address };
      cluster.tell(ALL_NODES, encode(question));
      void members?.refresh().then((all) => {
        round.expected = all;
        this.#closeIfComplete(round);
      });
    });
    return this.#answersOf(round);
  }

  #answersOf({ answers, expected, failed }: Round): NodeAnswers<unknown> {
    const { members } = this.#parts;
    const wanted = new Set([...(expected ?? members?.members ?? []), ...failed]);
    if (members !== null) wanted.delete(members.incarnation);
    const missing = [...wanted].filter((incarnation) => !answers.has(incarnation)).map(nodeIdOf);
    return { nodes: [...answers.values()], missing: [...new Set(missing)].sort() };
  }

  #closeIfComplete(round: Round): void {
    const { answers, failed, gone, expected, close } = round;
    const own = this.#parts.members?.incarnation;
    if (expected === null) return;
    const isSettled = (each: string): boolean =>
      each === own || answers.has(each) || failed.has(each) || gone.has(each);
    if (expected.every(isSettled)) close();
  }

  #onReply(octets: Buffer): void {
    const { id, nodeId, incarnation, answer, error } = parse(octets) as unknown as Reply;
    const round = this.#rounds.get(id);
    // Behind the deadline.
    if (round === undefined) return;
    if (error === undefined) round.answers.set(incarnation, { nodeId, answer });
    else {
      round.failed.add(incarnation);
      this.#parts.logger.warn({ nodeId, error }, 'another node cannot answer a question');
    }
    this.#closeIfComplete(round);
  }

  #onQuestion(octets: Buffer): void {
    const question = parse(octets) as unknown as Question;
    // Nobody is made to publish anywhere else.
    const { replyTo } = question as { readonly replyTo?: unknown };
    if (typeof replyTo !== 'string' || !replyTo.startsWith(ONE_NODE)) throw new TypeError('a question without address');
    const { nodeId, cluster, members } = this.#parts;
    const reply = (rest: Pick<Reply, 'answer' | 'error'>): void => {
      const incarnation = members?.incarnation ?? `${nodeId}/${this.#address}`;
      cluster?.tell(question.replyTo, encode({ version: VERSION, id: question.id, nodeId, incarnation, ...rest }));
    };
    this.#ownAnswer(question).then(
      (answer) => {
        reply({ answer });
      },
      (error: unknown) => {
        reply({ error: error instanceof Error ? error.message : String(error) });
      },
    );
  }

  async #ownAnswer({ version, kind, args }: Question): Promise<unknown> {
    const answerer = this.#answerers.get(kind);
    if (version !== VERSION || answerer === undefined) {
      throw new Error(`version ${version} of ${JSON.stringify(kind)} is not known to this node`);
    }
    // A node that stood still would answer for what it was.
    await this.#parts.members?.caughtUp();
    return (await answerer(args)) ?? null;
  }
}

function encode(value: Question | Reply): Buffer {
  return Buffer.from(JSON.stringify(value));
}

/** @throws SyntaxError, TypeError for what is no object */
function parse(octets: Buffer): object {
  const value: unknown = JSON.parse(octets.toString());
  if (typeof value !== 'object' || value === null) throw new TypeError('wants an object');
  return value;
}

function nodeIdOf(incarnation: string): string {
  return incarnation.slice(0, incarnation.lastIndexOf('/'));
}
