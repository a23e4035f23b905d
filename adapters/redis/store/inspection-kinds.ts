/**
 * What operators ask of queues that nodes share, in Redis: sizes, a look, and taking out what waits. What nodes have claimed
 * is left alone. The keys are those of queue-kinds.ts, whose part of the script stands in front.
 */
import type { QueueInspection, QueueSizes } from '../../../broker/ports.js';
import { sharedMessages } from './queue-kinds.js';
import type { SharedKinds } from './shared-kind.js';

export const INSPECTION_LUA = `
local function isWaiting(stream, place)
  return redis.call('ZSCORE', key('ready:' .. stream), place) or redis.call('ZSCORE', key('delayed:' .. stream), place)
end

local function numberWaiting(stream)
  return redis.call('ZCARD', key('ready:' .. stream)) + redis.call('ZCARD', key('delayed:' .. stream))
end

applies['queue-sizes'] = function(a)
  local stream = ARGV[a + 1]
  local depth = numberWaiting(stream)
  local claimed = redis.call('HLEN', key('bodies:' .. stream)) - depth
  local bytes = redis.call('GET', key('bytes:' .. stream)) or '0'
  return {depth, bytes, redis.call('ZCARD', key('delayed:' .. stream)), claimed}
end

applies['queue-read'] = function(a)
  local stream, reply = ARGV[a + 1], {}
  for k = a + 3, a + 2 + tonumber(ARGV[a + 2]) do
    if isWaiting(stream, ARGV[k]) then
      reply[#reply + 1] = ARGV[k]
      reply[#reply + 1] = redis.call('HGET', key('bodies:' .. stream), ARGV[k])
      reply[#reply + 1] = redis.call('HGET', key('counts:' .. stream), ARGV[k]) or '0'
    end
  end
  return reply
end

checks['queue-withdraw'] = function(a)
  if ARGV[a + 3] == '1' and not isWaiting(ARGV[a + 1], ARGV[a + 2]) then
    return 'message-gone', 'Message ' .. ARGV[a + 2] .. ' does not wait any more'
  end
end

applies['queue-withdraw'] = function(a)
  local stream, place = ARGV[a + 1], ARGV[a + 2]
  local taken = redis.call('ZREM', key('ready:' .. stream), place) + redis.call('ZREM', key('delayed:' .. stream), place)
  if taken == 0 then return 0 end
  local packed = redis.call('HGET', key('bodies:' .. stream), place)
  redis.call('DECRBY', key('bytes:' .. stream), text((struct.unpack('>d', packed))))
  redis.call('ZREM', key('expiring:' .. stream), place)
  remove(stream, place)
  return 1
end

-- Costs what is claimed, not what waits: that is let go as a whole, and what is claimed put back beside it.
applies['queue-purge'] = function(a)
  local stream, purged, kept = ARGV[a + 1], numberWaiting(ARGV[a + 1]), {}
  for _, incarnation in ipairs(redis.call('SMEMBERS', key('claimants'))) do
    for _, place in ipairs(redis.call('SMEMBERS', claims(incarnation, stream))) do
      local packed = redis.call('HGET', key('bodies:' .. stream), place)
      if packed then kept[#kept + 1] = {place, packed, redis.call('HGET', key('counts:' .. stream), place)} end
    end
  end
  for _, part in ipairs({'ready:', 'delayed:', 'bodies:', 'counts:', 'expiring:', 'bytes:'}) do
    redis.call('UNLINK', key(part .. stream))
  end
  redis.call('ZREM', key('expiries'), stream)
  for _, each in ipairs(kept) do
    redis.call('HSET', key('bodies:' .. stream), each[1], each[2])
    if each[3] then redis.call('HSET', key('counts:' .. stream), each[1], each[3]) end
  end
  return purged
end
`;

export const INSPECTION_KINDS: SharedKinds<QueueInspection> = {
  'queue-sizes': {
    encode: ({ stream }) => [stream],
    decode: (reply): QueueSizes => {
      const [depth = 0, bytes = 0, delayed = 0, claimed = 0] = (reply as readonly unknown[]).map((each) =>
        Number(String(each)),
      );
      return { depth, bytes, delayed, claimed };
    },
    grows: false,
  },
  'queue-read': {
    encode: ({ stream, places }) => [stream, places.length, ...places],
    decode: sharedMessages,
    grows: false,
  },
  'queue-withdraw': {
    encode: ({ stream, place, isRequired }) => [stream, place, isRequired ? '1' : ''],
    decode: (reply) => reply === 1,
    grows: false,
  },
  'queue-purge': { encode: ({ stream }) => [stream], decode: Number, grows: false },
};
