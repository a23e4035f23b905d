/** Options of the memory budget: how much the server's processes may take, and from which part of that on the broker sheds load. */

export interface MemoryOptions {
  /** False: nothing is watched, and the process ends when memory does. */
  readonly enabled: boolean;
  /** Heap and buffers of the process, and of its workers, in octets; 0: four fifths of what the machine has or the container allows. */
  readonly budgetBytes: number;
  /**
   * Parts of the budget, or of four fifths of V8's own limit, of the process or of a worker, when that is nearer. From here
   * on nobody new is let in,
   */
  readonly refuseConnectionsAt: number;
  /** who publishes is not read from, */
  readonly pausePublishersAt: number;
  /** messages give way that may (`outbox.policies`), and histories, */
  readonly dropMessagesAt: number;
  /** and those for whom most is held are disconnected. */
  readonly disconnectAt: number;
}

export const DEFAULT_MEMORY_OPTIONS: MemoryOptions = Object.freeze({
  enabled: true,
  budgetBytes: 0,
  // Garbage that waits to be collected counts too, and V8 lets it grow to half of what is left: below two thirds of its
  // limit most may be garbage.
  refuseConnectionsAt: 0.84,
  pausePublishersAt: 0.9,
  dropMessagesAt: 0.95,
  disconnectAt: 1,
});

/** In the order in which they are reached. */
export const STAGE_OPTIONS = ['refuseConnectionsAt', 'pausePublishersAt', 'dropMessagesAt', 'disconnectAt'] as const;

/** What is wrong; null when nothing is. */
export function findMemoryFault(options: MemoryOptions): { option: string; got: unknown; wants: string } | null {
  let least = 0.1;
  for (const option of STAGE_OPTIONS) {
    const got = options[option];
    if (got < least || got > 1) return { option, got, wants: `${least} to 1: each part is above the one before` };
    least = got;
  }
  return null;
}
