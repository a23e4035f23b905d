/**
 * RECEIPTs of one session that wait until something is stored, in the order of their frames: a RECEIPT says that
 * everything before it has been received (STOMP 1.2, RECEIPT), and some clients count on that order.
 */
type HeaderList = readonly (readonly [string, string])[];

interface Owed {
  receiptId: string | undefined;
  /** More headers of the RECEIPT. */
  readonly also: HeaderList;
  isDue: boolean;
}

const NONE: HeaderList = [];

/** A RECEIPT that waits. */
export interface OwedReceipt {
  readonly give: () => void;
  /** Its frame was refused: those behind it need not wait. */
  readonly drop: () => void;
}

export class ReceiptOrder {
  readonly #give: (receiptId: string, also: HeaderList) => void;
  #owed: Owed[] = [];
  #waiting: (() => void)[] = [];

  /** @param give writes one RECEIPT */
  constructor(give: (receiptId: string, also: HeaderList) => void) {
    this.#give = give;
  }

  get isEmpty(): boolean {
    return this.#owed.length === 0;
  }

  /** Resolves once it is empty. */
  emptied(): Promise<void> {
    return this.isEmpty ? Promise.resolve() : new Promise((resolve) => this.#waiting.push(resolve));
  }

  /**
   * Behind those that wait.
   * @param also more headers of it
   */
  add(receiptId: string, also: HeaderList = NONE): void {
    this.#owed.push({ receiptId, also, isDue: true });
    this.#giveDue();
  }

  /** Holds a place; one of the two that it returns has to be called. */
  owe(receiptId: string | undefined): OwedReceipt {
    const owed: Owed = { receiptId, also: NONE, isDue: false };
    this.#owed.push(owed);
    const give = (): void => {
      owed.isDue = true;
      this.#giveDue();
    };
    const drop = (): void => {
      owed.receiptId = undefined;
      give();
    };
    return { give, drop };
  }

  #giveDue(): void {
    for (let first = this.#owed[0]; first?.isDue === true; first = this.#owed[0]) {
      this.#owed.shift();
      if (first.receiptId !== undefined) this.#give(first.receiptId, first.also);
    }
    if (this.isEmpty) for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
