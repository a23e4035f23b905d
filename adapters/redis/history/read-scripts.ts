/** What nodes ask of histories in Redis: one page of one of them, and which have changed. */
import { redisScript } from '../connection/redis-script.js';
import { HISTORY_LUA } from './history-lua.js';

const KEY = `local function key(name) return KEYS[1] .. name end`;

/**
 * ARGV: destination, epoch (empty: none), offset (-1: the end), up to (-1: the end), maxMessages, maxBytes, maxAgeMs, messages
 * and octets of a page, a name that no epoch has had.
 * Reply: epoch, former, last, number, trimmed, trimmedAt, clock, after, whether it is continued, then id, time, octets of each message.
 */
export const READ_PAGE = redisScript(`
${KEY}
${HISTORY_LUA}
openCluster(ARGV[10])
local history = openHistory(ARGV[1])
if not history.isNew then trim(history, tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])) end
local epoch, after, isContinued = ARGV[2], tonumber(ARGV[3]), 1
if after < 0 then
  after = history.last
elseif epoch == history.epoch then
  -- Ahead of what is here: it was lost without a start of Redis, so that the same offsets would be given again.
  if after > history.last then
    isContinued, after = 0, history.last
    history.former = chained(history.epoch, history.last, history.former)
    history.epoch, history.isChanged = ARGV[10], true
  end
else
  local known
  for each, last in string.gmatch(history.former, '(%S+):(%d+)') do
    if each == epoch then known = tonumber(last) break end
  end
  if not known or known < after then isContinued, after = 0, known or 0 end
end
if history.isChanged and not history.isNew then
  saveHistory(history)
  saveCluster()
end
local reply = { history.epoch, history.former, text(history.last), text(history.number), text(history.trimmed), text(history.trimmedAt), text(clock), text(after), isContinued }
local upTo, left, room = tonumber(ARGV[4]), tonumber(ARGV[8]), tonumber(ARGV[9])
if upTo < 0 then upTo = history.last end
local from = math.max(after, history.trimmed) + 1
while from <= upTo and left > 0 and room > 0 do
  local page = redis.call('XRANGE', history.entries, text(from), text(upTo), 'COUNT', math.min(left, 64))
  if #page == 0 then break end
  for _, entry in ipairs(page) do
    if left == 0 or room <= 0 then break end
    left, room = left - 1, room - #entry[2][6]
    reply[#reply + 1], reply[#reply + 2], reply[#reply + 3] = entry[1], entry[2][2], entry[2][6]
    from = tonumber(string.match(entry[1], '^%d+')) + 1
  end
end
return reply
`);

/** ARGV: number behind which changes are wanted (-1: none are), how many, a new name. Reply: generation, number, then destination and number of each. */
export const READ_CHANGES = redisScript(`
${KEY}
${HISTORY_LUA}
openCluster(ARGV[3])
local reply = { cluster.generation, text(cluster.number) }
if tonumber(ARGV[1]) < 0 then return reply end
for _, each in ipairs(redis.call('ZRANGEBYSCORE', INDEX, '(' .. ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[2])) do
  reply[#reply + 1] = each
end
return reply
`);
