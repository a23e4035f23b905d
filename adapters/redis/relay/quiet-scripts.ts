/**
 * What nodes keep in Redis of their quiet channels: one hash, by channel the tags of the nodes that publish nothing there,
 * each with the end of its lease (ms, of Redis).
 */
import { redisScript } from '../connection/redis-script.js';

/**
 * `read` parses the field of a channel, `write` puts it back. A node whose lease is over for as long again (ARGV[2] ms) is
 * gone: before that it is asked, as its clock and that of Redis may differ.
 */
const COMMON = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function read(channel)
  local ends = {}
  for tag, over in string.gmatch(redis.call('HGET', KEYS[1], channel) or '', '(%x+)=(%d+)') do
    if tonumber(over) + ARGV[2] > now then ends[tag] = tonumber(over) end
  end
  return ends
end
local function write(channel, ends)
  local parts = {}
  for tag, over in pairs(ends) do parts[#parts + 1] = tag .. '=' .. string.format('%.0f', over) end
  if #parts == 0 then redis.call('HDEL', KEYS[1], channel) else redis.call('HSET', KEYS[1], channel, table.concat(parts, ' ')) end
end
`;

/**
 * KEYS: the hash. ARGV: tag, lease in ms, then for each channel its name, how many subscriptions of this node are counted
 * there, and a probe. Replies for each channel 1 where nobody else has it: the node is written down then.
 */
export const REGISTER_QUIET = redisScript(`${COMMON}
local replies = {}
for k = 3, #ARGV, 3 do
  local isQuiet = redis.call('PUBLISH', ARGV[k], ARGV[k + 2]) <= tonumber(ARGV[k + 1])
  if isQuiet then
    local ends = read(ARGV[k])
    ends[ARGV[1]] = now + ARGV[2]
    write(ARGV[k], ends)
  end
  replies[#replies + 1] = isQuiet and 1 or 0
end
redis.call('PEXPIRE', KEYS[1], 3 * ARGV[2])
return replies`);

/** KEYS: the hash. ARGV: tag, lease in ms, channels. The node is not silent there any more. */
export const LEAVE_QUIET = redisScript(`${COMMON}
for k = 3, #ARGV do
  local ends = read(ARGV[k])
  ends[ARGV[1]] = nil
  write(ARGV[k], ends)
end
return 0`);

/**
 * KEYS: the hash. ARGV: tag of the node that wants them now, lease in ms, channels. Other nodes are taken out.
 * Replies for each channel the list of their tags.
 */
export const WAKE_QUIET = redisScript(`${COMMON}
local replies = {}
for k = 3, #ARGV do
  local woken = {}
  if redis.call('HEXISTS', KEYS[1], ARGV[k]) == 1 then
    local ends = read(ARGV[k])
    for tag in pairs(ends) do if tag ~= ARGV[1] then woken[#woken + 1] = tag end end
    write(ARGV[k], { [ARGV[1]] = ends[ARGV[1]] })
  end
  replies[#replies + 1] = woken
end
return replies`);
