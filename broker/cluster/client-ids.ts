/**
 * Client-ids of all nodes: who connects with one that the same client has on another node ends the connection there, as it
 * would here; another's is left alone. Nobody is let in before the other connection has given up what it held.
 */
import { quoteInput } from '../../protocol/index.js';
import { BrokerError } from '../errors.js';
import type { ClientClaimResult, ClientOperation } from '../ports.js';
import type { RegisteredSession, SessionRegistry } from '../session-registry.js';
import type { Journal } from '../storage/journal.js';
import { WriteUnit } from '../storage/write-unit.js';
import type { NodeQuestions } from './node-questions.js';

export interface SharedClientIdsParts {
  readonly journal: Journal;
  readonly questions: NodeQuestions;
  readonly registry: SessionRegistry;
  readonly epochMs: () => number;
}

interface Claimed {
  readonly session: RegisteredSession;
  readonly sinceEpochMs: number;
}

const KIND = 'end-displaced';
/** A node that stands still does not keep its clients from coming back elsewhere for longer. */
const DEADLINE_MS = 1_000;

export class SharedClientIds {
  readonly #parts: SharedClientIdsParts;
  /** What sessions here have, by client-id. */
  readonly #claimed = new Map<string, Claimed>();

  constructor(parts: SharedClientIdsParts) {
    this.#parts = parts;
    parts.questions.answer(KIND, (sessionId) => {
      this.onDisplaced(String(sessionId));
    });
  }

  /**
   * Before CONNECTED. Resolves when it is the session's on all nodes. While the store cannot be asked it is so here alone.
   * @throws BrokerError `client-id-in-use`
   */
  async claim(clientId: string, session: RegisteredSession): Promise<void> {
    const claimed: Claimed = { session, sinceEpochMs: this.#parts.epochMs() };
    const result = await this.#ask(clientId, claimed, false);
    if (result?.outcome === 'in-use') throw inUse(clientId);
    this.#claimed.set(clientId, claimed);
    const former = result?.formerSessionId ?? null;
    // One that is here ends when this one enters.
    if (former !== null && this.#parts.registry.get(former) === undefined) await this.#end(former);
  }

  /** Its client has connected elsewhere. */
  onDisplaced(sessionId: string): void {
    this.#parts.registry.get(sessionId)?.refuse(displaced());
  }

  /** A node was given up; null: whichever are none any more. */
  onNodeGone(incarnation: string | null): void {
    this.#parts.journal.owe({ kind: 'client-reclaim', incarnation });
  }

  /** The session is over, or was not let in after all. */
  release(clientId: string, session: RegisteredSession): void {
    if (this.#claimed.get(clientId)?.session === session) this.#claimed.delete(clientId);
    this.#parts.journal.owe({ kind: 'client-release', clientId, sessionId: session.id });
  }

  /** What the store was told may be lost, and others may have connected meanwhile: of one client the later one stays. */
  claimAgain(): void {
    for (const [clientId, claimed] of this.#claimed) void this.#claimOneAgain(clientId, claimed);
  }

  async #claimOneAgain(clientId: string, claimed: Claimed): Promise<void> {
    const result = await this.#ask(clientId, claimed, true);
    if (result === null || this.#claimed.get(clientId) !== claimed) return;
    if (result.outcome === 'in-use') claimed.session.refuse(inUse(clientId));
    else if (result.outcome === 'displaced') claimed.session.refuse(displaced());
    else if (result.formerSessionId !== null) await this.#end(result.formerSessionId);
  }

  /** On whichever node it is. */
  async #end(sessionId: string): Promise<void> {
    await this.#parts.questions.ask(KIND, sessionId, { deadlineMs: DEADLINE_MS }).catch(() => undefined);
  }

  /** @returns null: the store cannot be asked */
  async #ask(
    clientId: string,
    { session, sinceEpochMs }: Claimed,
    isAgain: boolean,
  ): Promise<ClientClaimResult | null> {
    const owner = ownerOf(session);
    const operation: ClientOperation = {
      kind: 'client-claim',
      clientId,
      sessionId: session.id,
      owner,
      sinceEpochMs,
      isAgain,
    };
    const unit = new WriteUnit(this.#parts.journal);
    let result: ClientClaimResult | null = null;
    unit.ask(operation, (answer) => {
      result = answer as ClientClaimResult;
    });
    await unit.submit()?.catch(() => undefined);
    return result;
  }
}

/** The same client is the same user or, for anonymous ones, the same address. */
function ownerOf({ principal, connection }: RegisteredSession): string {
  const name = principal?.name ?? null;
  return name === null ? `address ${connection.remoteAddress}` : `user ${name}`;
}

function inUse(clientId: string): BrokerError {
  return new BrokerError('client-id-in-use', `client-id ${quoteInput(clientId, 120)} is in use by another user`);
}

function displaced(): BrokerError {
  return new BrokerError('client-id-displaced', 'This client-id has connected elsewhere');
}
