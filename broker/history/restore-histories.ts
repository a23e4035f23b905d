/** What a store holds of histories, made into logs again. What no rule wants stored any more is forgotten. */
import { BrokerError } from '../errors.js';
import type { Message } from '../message.js';
import type { Clock, Logger, StoreContents } from '../ports.js';
import type { Journal } from '../storage/journal.js';
import { decodeMessage } from '../storage/message-codec.js';
import { HistoryLog } from './history-log.js';
import type { HistoryOptions } from './history-options.js';
import {
  EPOCH_RECORD,
  HISTORY_PRIORITY,
  HISTORY_STREAM,
  HistoryStorage,
  type RecordedEpoch,
} from './history-storage.js';

export interface RestoreParts {
  readonly journal: Journal;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Read at a time from the store. */
const PAGE = Object.freeze({ maxMessages: 2_048, maxBytes: 2 * 1024 * 1024 });

/**
 * The logs, the one published to the longest ago first.
 * @param optionsOf null where no history is kept
 * @throws BrokerError `store-failed`
 */
export async function restoreHistories(
  { lanes, records }: StoreContents,
  optionsOf: (destination: string) => HistoryOptions | null,
  parts: RestoreParts,
): Promise<HistoryLog[]> {
  const { journal, logger } = parts;
  const logs: HistoryLog[] = [];
  const known = new Set<string>();
  for (const { key, value } of records) {
    if (!key.startsWith(EPOCH_RECORD)) continue;
    const destination = key.slice(EPOCH_RECORD.length);
    const options = optionsOf(destination);
    if (options?.durable === true) {
      known.add(HISTORY_STREAM + destination);
      logs.push(await restoreLog(destination, JSON.parse(value) as RecordedEpoch, options, parts));
    } else {
      // Kept, it would pass for whole once a rule wants it again.
      logger.warn({ destination }, 'a stored history is forgotten: no rule wants it stored any more');
      journal.owe({ kind: 'delete', key });
    }
  }
  for (const { stream } of lanes) {
    if (stream.startsWith(HISTORY_STREAM) && !known.has(stream)) journal.owe({ kind: 'drop', stream });
  }
  return logs.sort((a, b) => a.newestEpochMs - b.newestEpochMs);
}

async function restoreLog(
  destination: string,
  { epoch, end }: RecordedEpoch,
  options: HistoryOptions,
  { journal, clock }: RestoreParts,
): Promise<HistoryLog> {
  const stream = HISTORY_STREAM + destination;
  let page = await journal.read(stream, HISTORY_PRIORITY, 0, PAGE);
  const oldest = page[0];
  const stored = new HistoryStorage(destination, epoch, { journal, clock });
  const log = new HistoryLog(destination, epoch, options, stored);
  const nowEpochMs = clock.epochMs();
  log.trimmedTo = oldest === undefined ? end : oldest.sequence - 1;
  // Those before were published no later than what is left; of an empty history it is not known.
  log.trimmedEpochMs = log.trimmedTo === 0 ? 0 : (oldest?.publishedEpochMs ?? nowEpochMs);
  for (let last = page.at(-1); last !== undefined; last = page.at(-1)) {
    for (const { sequence, octets, publishedEpochMs } of page) {
      log.append(sequence, readMessage(destination, sequence, octets), publishedEpochMs);
    }
    log.trim(nowEpochMs);
    page = await journal.read(stream, HISTORY_PRIORITY, last.sequence, PAGE);
  }
  log.end = Math.max(end, log.end);
  stored.restore(log.end);
  return log;
}

/** Passing one over would be a hole that nobody is told of. @throws BrokerError `store-failed` */
function readMessage(destination: string, sequence: number, octets: Uint8Array): Message {
  try {
    return decodeMessage(octets);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const what = `the history of ${destination}: message ${sequence} cannot be read (${why})`;
    throw new BrokerError('store-failed', what, { cause: error });
  }
}
