/** The form of AuthOptions as a zod schema. */
import { z } from 'zod';
import { PUBLIC_KEY_ALGORITHMS, RULE_ACTIONS, SECRET_ALGORITHMS } from './auth-options.js';
import { flag, headerName, strings, text, wholeNumber } from './schema-parts.js';

const MAX_MS = 2_147_483_647;
const ALGORITHMS = [...SECRET_ALGORITHMS, ...PUBLIC_KEY_ALGORITHMS] as const;
const SOURCE = '"authorization", "query", "query:name", "cookie:name" or "connect"';
const URL_FORM = 'an http or https URL';
const ACTIONS = `one of ${RULE_ACTIONS.join(', ')}, or a list of them`;

const texts = z.union([text, strings.min(1, 'text or a list of texts')], { error: 'text or a list of texts' });

const user = z.strictObject(
  { login: text, passcode: text, roles: strings.optional() },
  { error: 'an object with login and passcode' },
);

export const jwt = z.strictObject(
  {
    secret: text.optional(),
    secretFile: text.optional(),
    keyFile: text.optional(),
    jwksUrl: z
      .string({ error: URL_FORM })
      .refine((url) => /^https?:\/\//.test(url) && URL.canParse(url), URL_FORM)
      .optional(),
    algorithms: z
      .array(z.enum(ALGORITHMS, { error: `one of ${ALGORITHMS.join(', ')}` }), { error: 'a list of algorithms' })
      .min(1, 'at least one algorithm')
      .optional(),
    issuer: texts.optional(),
    audience: texts.optional(),
    clockToleranceMs: wholeNumber(3_600_000).optional(),
    requireExpiry: flag.optional(),
    userClaim: text.optional(),
    rolesClaim: text.optional(),
    from: z
      .array(z.string({ error: SOURCE }).regex(/^(authorization|query|connect|(query|cookie):[^\s;,=]+)$/, SOURCE), {
        error: 'a list of sources',
      })
      .min(1, 'at least one source')
      .optional(),
    jwksCacheMs: wholeNumber(MAX_MS, 1).optional(),
    jwksCooldownMs: wholeNumber(MAX_MS).optional(),
    jwksTimeoutMs: wholeNumber(MAX_MS, 1).optional(),
  },
  { error: 'an object' },
);

const trustedHeader = z.strictObject(
  {
    name: headerName,
    from: z.enum(['handshake', 'connect', 'both'], { error: 'one of handshake, connect, both' }).optional(),
  },
  { error: 'an object with name' },
);

const csrf = z.strictObject({ header: headerName.optional(), cookie: text.optional(), endpoints: strings.optional() });

const guesses = z.strictObject({
  maxPerAddress: wholeNumber(1_000_000, 1).optional(),
  maxPerLogin: wholeNumber(1_000_000, 1).optional(),
  windowMs: wholeNumber(MAX_MS, 1).optional(),
});

const action = z.enum(RULE_ACTIONS, { error: `one of ${RULE_ACTIONS.join(', ')}` });
const rule = z.strictObject(
  {
    action: z.union([action, z.array(action, { error: ACTIONS }).min(1, ACTIONS)], { error: ACTIONS }).optional(),
    destination: texts.optional(),
    roles: strings.optional(),
    authenticated: flag.optional(),
    allow: flag,
  },
  { error: 'an object with allow' },
);

export const auth = z.strictObject(
  {
    anonymous: flag.optional(),
    users: z.array(user, { error: 'a list of users' }).optional(),
    passwordFile: text.optional(),
    jwt: jwt.optional(),
    trustedHeader: trustedHeader.optional(),
    csrf: z.union([z.boolean(), csrf], { error: 'true, false or an object' }).optional(),
    guesses: z.union([z.literal(false), guesses], { error: 'false or an object' }).optional(),
    rules: z.array(rule, { error: 'a list of rules' }).optional(),
  },
  { error: 'an object' },
);
