/**
 * RECEIPTs of one session that wait until something is stored, in the order of their frames: a RECEIPT says that
 * everything before it has been received (STOMP 1.2, RECEIPT), and some clients count on that order.
 */
interface Owed {
  readonly receiptId: string | undefined;
  isDue: boolean;
}

export class ReceiptOrder {
  readonly #give: (receiptId: string) => void;
  #owed: Owed[] = [];
  #waiting: (() => void)[] = [];

  /** @param give writes one RECEIPT */
  constructor(give: (receiptId: string) => void) {
    this.#give = give;
  }

  get isEmpty(): boolean {
    return this.#owed.length === 0;
  }

  /** Resolves once it is empty. */
  emptied(): Promise<void> {
    return this.isEmpty ? Promise.resolve() : new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Behind those that wait. */
  add(receiptId: string | undefined): void {
    this.#owed.push({ receiptId, isDue: true });
    this.#giveDue();
  }

  /** @returns what to call when it may be given; never called when the session has failed */
  owe(receiptId: string | undefined): () => void {
    const owed: Owed = { receiptId, isDue: false };
    this.#owed.push(owed);
    return () => {
      owed.isDue = true;
      this.#giveDue();
    };
  }

  #giveDue(): void {
    while (this.#owed[0]?.isDue === true) {
      const receiptId = this.#owed.shift()?.receiptId;
      if (receiptId !== undefined) this.#give(receiptId);
    }
    if (this.isEmpty) for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
