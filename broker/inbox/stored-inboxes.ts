/** What a store holds of the inboxes of users, read when the broker starts. What cannot be used is told, and stays stored. */
import { decodeMessage } from '../storage/message-codec.js';
import type { Logger, StoredLane, StoredMessage } from '../ports.js';
import { InboxEntry } from './inbox-entry.js';
import type { InboxBounds, InboxRules } from './inbox-options.js';
import { InboxStorage, type InboxAddress } from './inbox-storage.js';

/** All entries that rules cover, oldest first. @throws BrokerError `store-failed` */
export async function readStoredInboxes(
  lanes: readonly StoredLane[],
  storage: InboxStorage,
  rules: InboxRules,
  logger: Logger,
): Promise<readonly InboxEntry[]> {
  const entries: InboxEntry[] = [];
  for (const { stream } of lanes) {
    const address = InboxStorage.parse(stream);
    if (address === null) continue;
    const bounds = rules.of(address.rest);
    if (bounds === null) {
      logger.warn(address, 'stored messages are of an inbox that no rule covers: they stay stored');
      continue;
    }
    for await (const stored of storage.read(address)) {
      try {
        entries.push(decode(address, stored, bounds));
      } catch (error) {
        const fields = { ...address, sequence: stored.sequence, err: error };
        logger.error(fields, 'a stored message of an inbox cannot be read: it stays stored');
      }
    }
  }
  return entries.sort((a, b) => a.number - b.number);
}

/** @throws RangeError, SyntaxError for octets that cannot be read */
function decode(address: InboxAddress, stored: StoredMessage, bounds: InboxBounds): InboxEntry {
  const entry = new InboxEntry(address, decodeMessage(stored.octets), bounds, stored.expiresEpochMs);
  entry.deliveryCount = stored.deliveryCount;
  entry.notBeforeEpochMs = stored.notBeforeEpochMs;
  return entry;
}
