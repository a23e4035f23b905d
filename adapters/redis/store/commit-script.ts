/**
 * The one script of all changes: units one after the other, each checked as a whole before anything of it is done. What the
 * kinds of operations do stands beside their encoding; here they are put together.
 */
import type { SharedOperation } from '../../../broker/ports.js';
import type { RedisArgument } from '../connection/redis-commands.js';
import { redisScript } from '../connection/redis-script.js';
import { HISTORY_KINDS } from '../history/history-kind.js';
import { HISTORY_APPEND_LUA } from '../history/history-lua.js';
import { CLIENT_KINDS, CLIENT_LUA } from './client-kinds.js';
import { INBOX_KINDS } from './inbox-kinds.js';
import { INBOX_LUA } from './inbox-lua.js';
import { KEY_KINDS, KEY_LUA } from './key-kinds.js';
import { INSPECTION_KINDS, INSPECTION_LUA } from './inspection-kinds.js';
import { QUEUE_KINDS, QUEUE_LUA } from './queue-kinds.js';
import type { SharedKind, SharedKinds } from './shared-kind.js';
import { STORE_KINDS, STORE_LUA } from './store-kinds.js';

const KINDS: SharedKinds<SharedOperation> = {
  ...STORE_KINDS,
  ...QUEUE_KINDS,
  ...INSPECTION_KINDS,
  ...INBOX_KINDS,
  ...CLIENT_KINDS,
  ...KEY_KINDS,
  ...HISTORY_KINDS,
};

/**
 * KEYS[1]: the tag. ARGV: time of day in ms, this node's incarnation, what publishes, 1 when memory is taken, number of units;
 * for each its number of operations; for each of these its kind, its number of arguments, and those. `checks` may refuse with a code and a
 * text, and change nothing; `applies` may return something; `atEnd` is called behind all units. A unit's reply is 1 and the
 * results, or 0, code and text.
 */
const HEAD = `
local tag, nowText, me, publish = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local now = tonumber(nowText)
local checks, applies, endings, tally = {}, {}, {}, {}

local function key(name)
  return tag .. name
end

-- Whole numbers above 10^14 have exponents elsewhere; nothing is negative zero.
local function text(number)
  return string.format('%.0f', number + 0)
end

local function atEnd(ending)
  endings[#endings + 1] = ending
end
`;

/** Redis refuses the first command that could take memory, when it has none: this one changes nothing. */
const BODY = `
if ARGV[4] == '1' then redis.call('SETRANGE', key('room'), 0, '') end

local function skip(at)
  return at + 2 + tonumber(ARGV[at + 1])
end

local function check(at, count)
  tally = {}
  for _ = 1, count do
    local ask = checks[ARGV[at]]
    if ask then
      local code, why = ask(at + 1)
      if code then return {0, code, why} end
    end
    at = skip(at)
  end
  return nil
end

local replies, at = {}, 6
for unit = 1, tonumber(ARGV[5]) do
  local count = tonumber(ARGV[at])
  at = at + 1
  local reply = check(at, count)
  local isRefused = reply ~= nil
  if not isRefused then reply = {1} end
  for _ = 1, count do
    if not isRefused then reply[#reply + 1] = applies[ARGV[at]](at + 1) or false end
    at = skip(at)
  end
  replies[unit] = reply
end
for _, ending in ipairs(endings) do ending() end
return replies
`;

export const COMMIT = redisScript(
  [HEAD, STORE_LUA, QUEUE_LUA, INSPECTION_LUA, INBOX_LUA, CLIENT_LUA, KEY_LUA, HISTORY_APPEND_LUA, BODY].join(''),
);

/** Forgets records that have expired; returns how many. ARGV as of COMMIT, up to what publishes, and how many at most. */
export const SWEEP = redisScript(`${HEAD}${STORE_LUA}return sweepRecords(tonumber(ARGV[4]))`);

export function kindOf(operation: SharedOperation): SharedKind<SharedOperation> {
  // Each kind is given operations of its own only: they are found by it.
  return KINDS[operation.kind];
}

/** What the script finds of one unit. */
export function encodeUnit(unit: readonly SharedOperation[]): RedisArgument[] {
  const args: RedisArgument[] = [unit.length];
  for (const operation of unit) {
    const own = kindOf(operation).encode(operation);
    args.push(operation.kind, own.length, ...own);
  }
  return args;
}
