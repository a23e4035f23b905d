/**
 * What one unit asks of an external broker: gathered while the unit is filled, submitted before anything of it takes effect
 * here. One frame goes as it is, several for one client as a transaction.
 */
import type { BrokerError } from '../errors.js';
import type { RelayedFrame, RelayLink } from '../ports.js';

export class RelayBatch {
  readonly #byLink = new Map<RelayLink, { frames: RelayedFrame[]; onRefused: (error: BrokerError) => void }>();

  /** @param onRefused told when nobody awaits the unit */
  add(link: RelayLink, frame: RelayedFrame, onRefused: (error: BrokerError) => void): void {
    const part = this.#byLink.get(link);
    if (part === undefined) this.#byLink.set(link, { frames: [frame], onRefused });
    else part.frames.push(frame);
  }

  /**
   * @param isAwaited somebody waits for the external broker's word
   * @param isAtomic all frames or none
   * @returns as `RelayLink.submit` @throws BrokerError `relay-unavailable`
   */
  submit(isAwaited: boolean, isAtomic: boolean): Promise<void> | undefined {
    const pending: Promise<void>[] = [];
    for (const [link, { frames, onRefused }] of this.#byLink) {
      const requests = isAtomic ? [frames] : frames.map((frame) => [frame]);
      for (const each of requests) {
        const confirmed = link.submit({ frames: each, isAwaited, onRefused });
        if (confirmed !== undefined) pending.push(confirmed);
      }
    }
    return pending.length === 0 ? undefined : Promise.all(pending).then(() => undefined);
  }
}
