/** The form of ConnectionLogOptions as a zod schema. */
import { z } from 'zod';
import { headerName, text, wholeNumber } from './schema-parts.js';

/** The longest interval of a timer. */
const MAX_INTERVAL_MS = 2_147_483_647;
const TEN_YEARS_MS = 315_360_000_000;
const MAX_ROWS = 1_000_000_000;
const MAX_PENDING_ROWS = 10_000_000;

const options = z.strictObject({
  file: z.union([z.literal(false), text], { error: 'a file or false' }).optional(),
  flushIntervalMs: wholeNumber(MAX_INTERVAL_MS, 1).optional(),
  retentionMs: wholeNumber(TEN_YEARS_MS).optional(),
  maxRows: wholeNumber(MAX_ROWS).optional(),
  staleAfterMs: wholeNumber(TEN_YEARS_MS, 1).optional(),
  cleanUpIntervalMs: wholeNumber(MAX_INTERVAL_MS, 1).optional(),
  maxPendingRows: wholeNumber(MAX_PENDING_ROWS, 1).optional(),
  userIdHeader: headerName.optional(),
  addressHeader: headerName.optional(),
});

export const connectionLog = z.union([z.boolean(), options], { error: 'true, false or an object' });
