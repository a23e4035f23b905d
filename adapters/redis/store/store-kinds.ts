/**
 * Streams and records of a Store in Redis. A stream's messages of one priority are a hash (packed, by sequence) beside a
 * sorted set of the sequences; octets and marks of all of them are two hashes, by priority and name.
 */
import type { AnnounceOperation, StoreOperation } from '../../../broker/ports.js';
import { packMessage } from './packed-message.js';
import type { SharedKinds } from './shared-kind.js';

/** What Redis is to look for when it has no room: records that have expired, a few with each put. */
const SWEPT_PER_PUT = 10;

export const STORE_LUA = `
local function laneOf(priority, stream)
  return priority .. ':' .. stream
end

local function removeStored(lane, sequence)
  local packed = redis.call('HGET', key('messages:' .. lane), sequence)
  if not packed then return end
  redis.call('HDEL', key('messages:' .. lane), sequence)
  redis.call('ZREM', key('lane:' .. lane), sequence)
  redis.call('HINCRBY', key('lanes'), lane, text(-struct.unpack('>d', packed)))
  if redis.call('ZCARD', key('lane:' .. lane)) == 0 then redis.call('HDEL', key('lanes'), lane) end
end

applies['append'] = function(a)
  local lane = laneOf(ARGV[a + 1], ARGV[a + 2])
  removeStored(lane, ARGV[a + 3])
  redis.call('HSET', key('messages:' .. lane), ARGV[a + 3], ARGV[a + 4])
  redis.call('ZADD', key('lane:' .. lane), ARGV[a + 3], ARGV[a + 3])
  redis.call('HINCRBY', key('lanes'), lane, ARGV[a + 5])
end

applies['remove'] = function(a)
  removeStored(laneOf(ARGV[a + 1], ARGV[a + 2]), ARGV[a + 3])
end

applies['update'] = function(a)
  local messages = key('messages:' .. laneOf(ARGV[a + 1], ARGV[a + 2]))
  local packed = redis.call('HGET', messages, ARGV[a + 3])
  if not packed then return end
  local changed = struct.pack('>dd', tonumber(ARGV[a + 4]), tonumber(ARGV[a + 5]))
  redis.call('HSET', messages, ARGV[a + 3], string.sub(packed, 1, 24) .. changed .. string.sub(packed, 41))
end

applies['mark'] = function(a)
  local lane = laneOf(ARGV[a + 1], ARGV[a + 2])
  local before = tonumber(redis.call('HGET', key('marks'), lane) or '0')
  if tonumber(ARGV[a + 3]) > before then redis.call('HSET', key('marks'), lane, ARGV[a + 3]) end
end

applies['trim'] = function(a)
  local lane = laneOf(ARGV[a + 1], ARGV[a + 2])
  local sequences = redis.call('ZRANGEBYSCORE', key('lane:' .. lane), '-inf', ARGV[a + 3])
  for _, sequence in ipairs(sequences) do removeStored(lane, sequence) end
end

applies['drop'] = function(a)
  for priority = 0, 9 do
    local lane = laneOf(priority, ARGV[a + 1])
    redis.call('DEL', key('messages:' .. lane), key('lane:' .. lane))
    redis.call('HDEL', key('lanes'), lane)
    redis.call('HDEL', key('marks'), lane)
  end
end

local function sweepRecords(most)
  local expired = redis.call('ZRANGEBYSCORE', key('records:expiring'), '-inf', nowText, 'LIMIT', 0, most)
  for _, name in ipairs(expired) do
    redis.call('HDEL', key('records'), name)
    redis.call('ZREM', key('records:expiring'), name)
  end
  return #expired
end

applies['put'] = function(a)
  sweepRecords(${SWEPT_PER_PUT})
  redis.call('HSET', key('records'), ARGV[a + 1], struct.pack('>d', tonumber(ARGV[a + 3])) .. ARGV[a + 2])
  if ARGV[a + 3] == '0' then redis.call('ZREM', key('records:expiring'), ARGV[a + 1])
  else redis.call('ZADD', key('records:expiring'), ARGV[a + 3], ARGV[a + 1]) end
end

applies['delete'] = function(a)
  redis.call('HDEL', key('records'), ARGV[a + 1])
  redis.call('ZREM', key('records:expiring'), ARGV[a + 1])
end

applies['announce'] = function(a)
  redis.call(publish, key('announced'), ARGV[a + 1])
end
`;

export const STORE_KINDS: SharedKinds<StoreOperation | AnnounceOperation> = {
  append: {
    encode: ({ stream, message }) => {
      const { priority, sequence, weightBytes } = message;
      return [priority, stream, sequence, packMessage(message), weightBytes];
    },
    grows: true,
  },
  remove: { encode: ({ stream, priority, sequence }) => [priority, stream, sequence], grows: false },
  update: {
    encode: ({ stream, priority, sequence, deliveryCount, notBeforeEpochMs }) => [
      priority,
      stream,
      sequence,
      notBeforeEpochMs,
      deliveryCount,
    ],
    grows: false,
  },
  mark: { encode: ({ stream, priority, sequence }) => [priority, stream, sequence], grows: false },
  trim: { encode: ({ stream, priority, sequence }) => [priority, stream, sequence], grows: false },
  drop: { encode: ({ stream }) => [stream], grows: false },
  put: { encode: ({ key, value, expiresEpochMs }) => [key, value, expiresEpochMs], grows: true },
  delete: { encode: ({ key }) => [key], grows: false },
  announce: { encode: ({ name }) => [name], grows: false },
};

/** KEYS[1]: the tag. ARGV: priority, stream, after, most messages, most octets. Returns sequence and packed by turns. */
export const READ_LUA = `
local lane = ARGV[1] .. ':' .. ARGV[2]
local most, mostBytes = tonumber(ARGV[4]), tonumber(ARGV[5])
local reply, bytes, after = {}, 0, '(' .. ARGV[3]
while true do
  local sequences = redis.call('ZRANGEBYSCORE', KEYS[1] .. 'lane:' .. lane, after, '+inf', 'LIMIT', 0, 64)
  if #sequences == 0 then return reply end
  for k, packed in ipairs(redis.call('HMGET', KEYS[1] .. 'messages:' .. lane, unpack(sequences))) do
    bytes = bytes + struct.unpack('>d', packed)
    if #reply > 0 and (#reply / 2 >= most or bytes > mostBytes) then return reply end
    reply[#reply + 1] = sequences[k]
    reply[#reply + 1] = packed
  end
  after = '(' .. sequences[#sequences]
end
`;

/** KEYS[1]: the tag. Returns lanes (name, messages, octets, mark) and records (key, packed), each in a row. Forgets marks of empty streams. */
export const CONTENTS_LUA = `
local lanes, streams, records = {}, {}, redis.call('HGETALL', KEYS[1] .. 'records')
local sizes = redis.call('HGETALL', KEYS[1] .. 'lanes')
for k = 1, #sizes, 2 do
  streams[string.sub(sizes[k], 3)] = true
  lanes[#lanes + 1] = sizes[k]
  lanes[#lanes + 1] = redis.call('ZCARD', KEYS[1] .. 'lane:' .. sizes[k])
  lanes[#lanes + 1] = sizes[k + 1]
  lanes[#lanes + 1] = redis.call('HGET', KEYS[1] .. 'marks', sizes[k]) or '0'
end
for _, lane in ipairs(redis.call('HKEYS', KEYS[1] .. 'marks')) do
  if not streams[string.sub(lane, 3)] then redis.call('HDEL', KEYS[1] .. 'marks', lane) end
end
return {lanes, records}
`;
