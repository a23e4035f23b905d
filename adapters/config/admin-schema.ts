/** The form of AdminOptions as a zod schema. */
import { z } from 'zod';
import { ADMIN_ROLE_NAMES, MIN_TOKEN_LENGTH } from './admin-options.js';
import { jwt } from './auth-schema.js';
import { flag, host, strings, text, tls, wholeNumber } from './schema-parts.js';

const MAX_MS = 2_147_483_647;
const PORT = '"http" or a number from 0 to 65535';
const TOKEN = `at least ${MIN_TOKEN_LENGTH} characters without blanks`;
const METRICS = '"token", "open" or false';

const token = z.strictObject(
  {
    name: text,
    role: z.enum(ADMIN_ROLE_NAMES, { error: `one of ${ADMIN_ROLE_NAMES.join(', ')}` }),
    token: z
      .string({ error: TOKEN })
      .min(MIN_TOKEN_LENGTH, TOKEN)
      .regex(/^[\x21-\x7e]+$/, TOKEN)
      .optional(),
    tokenFile: text.optional(),
  },
  { error: 'an object with name, role and token' },
);

const rateLimit = z.strictObject({
  max: wholeNumber(1_000_000, 1).optional(),
  windowMs: wholeNumber(MAX_MS, 1).optional(),
});

const options = z.strictObject({
  host: host.optional(),
  port: z
    .union([z.literal('http'), z.number({ error: PORT }).int(PORT).min(0, PORT).max(65_535, PORT)], { error: PORT })
    .optional(),
  tls: tls.optional(),
  tokens: z.array(token, { error: 'a list of tokens' }).optional(),
  jwt: jwt.optional(),
  allowedOrigins: strings.optional(),
  rateLimit: z.union([z.literal(false), rateLimit], { error: 'false or an object' }).optional(),
  trustProxy: flag.optional(),
  requestTimeoutMs: wholeNumber(MAX_MS, 1).optional(),
  docs: flag.optional(),
  metrics: z.union([z.enum(['token', 'open']), z.literal(false)], { error: METRICS }).optional(),
  console: flag.optional(),
  auditEntries: wholeNumber(1_000_000).optional(),
});

export const admin = z.union([z.boolean(), options], { error: 'true, false or an object' });
