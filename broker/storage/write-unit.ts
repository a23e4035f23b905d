/**
 * What one frame or one transaction changes in the store: all of it is stored, or nothing. What it leads to in memory is
 * done afterwards, in the order it was asked for, so that nobody sees what a crash could take back.
 */
import type { BrokerError } from '../errors.js';
import type { SharedOperation } from '../ports.js';
import type { Turns } from '../turn-budget.js';

/** Takes units in; implemented by Journal. */
export interface UnitWriter {
  /** Resolves once the unit is stored and its steps are done; rejects with BrokerError `store-full`, `store-failed`. */
  write(unit: WriteUnit): Promise<void>;
}

/** What another broker is to take on before anything of a unit takes effect here; implemented by RelayBatch. */
export interface ExternalPart {
  /** @throws BrokerError `relay-unavailable` */
  submit(isAwaited: boolean, isAtomic: boolean): Promise<void> | undefined;
}

/** What follows when nothing of a unit was stored. @param error why; missing when nobody asked for it */
export type Undo = (error?: BrokerError) => void;

interface Step {
  /** @param result of the operation it was asked for with */
  readonly apply: ((result: unknown) => void) | null;
  readonly undo: Undo | null;
  /** Of the operation whose result it is given; -1: none. */
  readonly place: number;
}

/** What becomes of a unit on its way. */
export interface UnitTerms {
  /** Of a transaction: what needs no storing has to wait too, so that everything becomes visible at once. */
  readonly holdsBack?: boolean;
  /** Of removals: when the store fails they are tried again until they are stored, rather than undone. */
  readonly isRetried?: boolean;
  /** Somebody waits for a RECEIPT: other nodes have to be within reach, and what brings it to them has to accept it. */
  readonly isReceipted?: boolean;
  /** What follows may be spread over turns of the event loop; missing: it is done at once. */
  readonly turns?: Turns | undefined;
}

const NOTHING: readonly never[] = [];

export class WriteUnit {
  readonly holdsBack: boolean;
  readonly isRetried: boolean;
  readonly isReceipted: boolean;
  /** Null: nothing of it is for another broker. */
  external: ExternalPart | null = null;
  readonly #writer: UnitWriter | null;
  readonly #turns: Turns | null;
  #operations: SharedOperation[] | null = null;
  #steps: Step[] | null = null;
  #atSubmit: (() => void)[] | null = null;
  #confirmations: Promise<void>[] | null = null;
  #unconfirmed: (() => void)[] | null = null;

  /** @param writer null when there is no store: then nothing may be added but steps */
  constructor(
    writer: UnitWriter | null,
    { holdsBack = false, isRetried = false, isReceipted = false, turns }: UnitTerms = {},
  ) {
    this.#writer = writer;
    this.#turns = turns ?? null;
    this.holdsBack = holdsBack;
    this.isRetried = isRetried;
    this.isReceipted = isReceipted;
  }

  get operations(): readonly SharedOperation[] {
    return this.#operations ?? NOTHING;
  }

  /** Whether it asks for a change, now or when it is submitted. */
  get needsStore(): boolean {
    return this.#operations !== null || this.#atSubmit !== null;
  }

  /**
   * Asks for a change.
   * @param apply what follows once it is stored
   * @param undo what follows when it could not be stored
   */
  add(operation: SharedOperation, apply: (() => void) | null = null, undo: Undo | null = null): void {
    (this.#operations ??= []).push(operation);
    if (apply !== null || undo !== null) this.then(apply, undo);
  }

  /**
   * As `add`, of an operation that a shared store answers.
   * @param apply what follows, in turn with the others, with what the store says to it: its kind tells the type
   */
  ask(operation: SharedOperation, apply: (result: unknown) => void, undo: Undo | null = null): void {
    const operations = (this.#operations ??= []);
    (this.#steps ??= []).push({ apply, undo, place: operations.length });
    operations.push(operation);
  }

  /** What follows once everything is stored, in turn with the others. */
  then(apply: (() => void) | null, undo: Undo | null = null): void {
    (this.#steps ??= []).push({ apply, undo, place: -1 });
  }

  /** Does what fills the unit, now or later. When that fails the unit is undone, and fails the same way. */
  fill<T>(work: () => T | Promise<T>): T | Promise<T> {
    const undo = (error: unknown): never => {
      this.undoAll();
      throw error;
    };
    try {
      const filled = work();
      return filled instanceof Promise ? filled.catch(undo) : filled;
    } catch (error) {
      return undo(error);
    }
  }

  /**
   * What can be asked for only once the place of the unit among others is known: runs at `submit`, in the order of asking,
   * and adds changes. A unit that is undone before that never runs it.
   */
  atSubmit(step: () => void): void {
    (this.#atSubmit ??= []).push(step);
  }

  /** What others can see: now, or with everything else when the unit holds back. */
  show(step: () => void): void {
    if (this.holdsBack) this.then(step);
    else step();
  }

  /** What follows when everything is done but `confirmedBy` fails: whether others have it is not known. */
  ifUnconfirmed(step: () => void): void {
    (this.#unconfirmed ??= []).push(step);
  }

  /**
   * What `submit` is to wait for as well, when everything else is done; to be said before it, or for a RECEIPT at the latest by
   * a step.
   */
  confirmedBy(confirmation: Promise<void>): void {
    // It may be refused before anybody asks.
    confirmation.catch(() => undefined);
    (this.#confirmations ??= []).push(confirmation);
  }

  /**
   * Asks for everything at once; nothing may be added afterwards.
   * @param isAwaited somebody waits for the word of another broker, where that takes part
   * @returns undefined when there was nothing to wait for: everything is done then
   */
  submit(isAwaited = false): Promise<void> | undefined {
    const done =
      this.external === null ? this.#submitHere() : this.#submitElsewhere(this.external, isAwaited || this.holdsBack);
    if (done === undefined) return this.#confirmations === null ? undefined : this.#confirmed();
    return this.isReceipted || this.#confirmations !== null ? done.then(() => this.#confirmed()) : done;
  }

  async #confirmed(): Promise<void> {
    try {
      await Promise.all(this.#confirmations ?? []);
    } catch (error) {
      for (const step of this.#unconfirmed ?? NOTHING) step();
      throw error;
    }
  }

  #submitElsewhere(external: ExternalPart, isAwaited: boolean): Promise<void> | undefined {
    const undo = (error: unknown): Promise<never> => {
      this.undoAll();
      return Promise.reject(error);
    };
    try {
      const confirmed = external.submit(isAwaited, this.holdsBack);
      return confirmed === undefined ? this.#submitHere() : confirmed.then(() => this.#submitHere(), undo);
    } catch (error) {
      return undo(error);
    }
  }

  #submitHere(): Promise<void> | undefined {
    for (const step of this.#atSubmit ?? NOTHING) step();
    if (this.#operations !== null && this.#writer !== null) return this.#writer.write(this);
    return this.applyAll();
  }

  /**
   * Everything is stored, and nothing can undo it any more: what follows is done, in order.
   * @param results of the operations, by place, where the store gives any
   * @returns undefined when it is; otherwise the rest is done in later turns, whatever becomes of whoever asked for it
   */
  applyAll(results: readonly unknown[] = NOTHING): Promise<void> | undefined {
    const steps = this.#steps;
    if (steps === null) return undefined;
    if (this.#turns !== null) return applyInTurns(steps, results, this.#turns);
    for (const { apply, place } of steps) apply?.(results[place]);
    return undefined;
  }

  /** Nothing could be stored, or nothing is to be: the last asked for is undone first. @param error why */
  undoAll(error?: BrokerError): void {
    for (const { undo } of this.#steps?.toReversed() ?? NOTHING) undo?.(error);
  }
}

/** One that throws, a fault of ours, does not take the others with it: they were promised. */
function applyInTurns(steps: readonly Step[], results: readonly unknown[], turns: Turns): Promise<void> | undefined {
  let next = 0;
  const faults: unknown[] = [];
  return turns.run(() => {
    const step = steps[next++];
    try {
      step?.apply?.(results[step.place]);
    } catch (error) {
      faults.push(error);
    }
    if (next < steps.length) return true;
    if (faults.length > 0) throw faults[0];
    return false;
  });
}
