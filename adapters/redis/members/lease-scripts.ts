/**
 * The scripts of leases. KEYS: the sorted set of nodes (incarnation, end of its lease in ms of Redis' clock), and the text
 * that names this state: where it is missing, or another one, Redis has lost what it knew.
 */

import { redisScript } from '../connection/redis-script.js';

/** What every script ends with: a word, the state, the time, then members and ends of leases by turns. */
const ANSWER = `
local function answer(word)
  local reply = {word, redis.call('GET', KEYS[2]) or '', string.format('%.0f', now)}
  for _, each in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')) do reply[#reply + 1] = each end
  return reply
end
`;

const NOW = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`;

/**
 * Redis without memory (`maxmemory`) refuses the first command of a script that could take some, and no later one: a command
 * that can only take away stands before it, and names nobody. Or a Redis that is full would hold up every node for want of a
 * lease, consumers included, who alone could make room.
 */
const EVEN_WHEN_FULL = `redis.call('ZREM', KEYS[1], '')
`;

/**
 * ARGV: incarnation, its nodeId, length of a lease in ms, a name for the state should there be none, then former
 * incarnations of the same process. A former run with the same nodeId gives way once its lease is over, one of the same
 * process at once, and is listed with an end of 0. Says `joined`, or `held` when there is one with a lease.
 */
export const JOIN = redisScript(`${EVEN_WHEN_FULL}${NOW}${ANSWER}
local replaced = {}
local own = {}
for at = 5, #ARGV do own[ARGV[at]] = true end
for _, each in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if each ~= ARGV[1] and string.match(each, '^(.*)/') == ARGV[2] then
    if not own[each] and tonumber(redis.call('ZSCORE', KEYS[1], each)) > now then return answer('held') end
    redis.call('ZREM', KEYS[1], each)
    replaced[#replaced + 1] = each
  end
end
redis.call('SET', KEYS[2], ARGV[4], 'NX')
redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[3]), ARGV[1])
local reply = answer('joined')
for _, each in ipairs(replaced) do
  reply[#reply + 1] = each
  reply[#reply + 1] = '0'
end
return reply
`);

/**
 * ARGV: incarnation, length of a lease in ms, name of the state as it was told, 1 to remove those whose lease is over. Says
 * `renewed`, `lost` when this is not the state that was told, or `gone` when the incarnation was removed.
 */
export const RENEW = redisScript(`${EVEN_WHEN_FULL}${NOW}${ANSWER}
if redis.call('GET', KEYS[2]) ~= ARGV[3] then return answer('lost') end
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return answer('gone') end
redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[2]), ARGV[1])
if ARGV[4] == '1' then redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('(%.0f', now)) end
return answer('renewed')
`);

/** ARGV: incarnation. */
export const LEAVE = redisScript(`redis.call('ZREM', KEYS[1], ARGV[1])`);

export type LeaseWord = 'joined' | 'held' | 'renewed' | 'lost' | 'gone';

export interface LeaseAnswer {
  readonly word: LeaseWord;
  readonly state: string;
  /** Redis' clock. */
  readonly nowMs: number;
  /** End of each lease by Redis' clock, by incarnation. */
  readonly leases: ReadonlyMap<string, number>;
  /** Former runs that gave way to this one. */
  readonly replaced: readonly string[];
}

/** @throws TypeError for what is no answer of these scripts */
export function readAnswer(reply: unknown): LeaseAnswer {
  if (!Array.isArray(reply)) throw new TypeError('wants a list');
  const [word, state, nowMs, ...rest] = reply.map(String);
  const leases = new Map<string, number>();
  const replaced: string[] = [];
  for (let k = 0; k + 1 < rest.length; k += 2) {
    const [incarnation, endMs] = [String(rest[k]), Number(rest[k + 1])];
    if (endMs === 0) replaced.push(incarnation);
    else leases.set(incarnation, endMs);
  }
  return { word: word as LeaseWord, state: state ?? '', nowMs: Number(nowMs), leases, replaced };
}
