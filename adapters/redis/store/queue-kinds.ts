/**
 * Queues that all nodes share, in Redis. What waits is a sorted set, its members being places: priority and age in one number.
 * Beside it: the packed messages, how often each was delivered, those whose time has not come, those that expire, what each
 * node has claimed of it, and which nodes wait.
 */
import type { AppendResult, ClaimResult, QueueOperation, ScanResult, SharedMessage } from '../../../broker/ports.js';
import type { DeadLetterReason } from '../../../broker/destinations/dead-letter-reason.js';
import type { RedisArgument } from '../connection/redis-commands.js';
import { packMessage, unpackMessage } from './packed-message.js';
import type { SharedKinds } from './shared-kind.js';

/** Places of one priority; those of the highest come first. Exact in a double, as are ten of them. */
const LANE = 2 ** 49;
const HIGHEST_PRIORITY = 9;

/** Of the places of one priority, the one in front of all. */
export function laneStart(priority: number): number {
  return (HIGHEST_PRIORITY + 1 - priority) * LANE;
}

/** Ages begin by the time of day: more than come in the long run, and few enough for some 200 years. */
const AGES_PER_MS = 64;
const AGES_SINCE_EPOCH_MS = Date.UTC(2025);

/** Read at a time on the way to a limit in octets. */
const CHUNK = 16;

export const QUEUE_LUA = `
local LANE = ${LANE}
-- By stream: how many messages have come, so that as many nodes are to be told; where a time has changed, all are.
local came, timed = {}, {}

local function add(stream, count)
  came[stream] = (came[stream] or 0) + count
end

local function claims(incarnation, stream)
  return key('claims:' .. incarnation .. '|' .. stream)
end

local function watchExpiry(stream, place, expires)
  if expires <= 0 then return end
  redis.call('ZADD', key('expiring:' .. stream), text(expires), place)
  redis.call('ZADD', key('expiries'), 'LT', text(expires), stream)
end

-- Those whose time has come.
local function promote(stream)
  local due = redis.call('ZRANGEBYSCORE', key('delayed:' .. stream), '-inf', nowText, 'LIMIT', 0, 1000)
  for _, place in ipairs(due) do
    redis.call('ZREM', key('delayed:' .. stream), place)
    redis.call('ZADD', key('ready:' .. stream), place, place)
  end
  if #due > 0 then
    redis.call('INCR', key('returns:' .. stream))
    add(stream, #due)
  end
end

local function nextDue(stream)
  local due = redis.call('ZRANGE', key('delayed:' .. stream), 0, 0, 'WITHSCORES')[2]
  return due and due ~= 'inf' and due or '0'
end

-- What was taken out of what waits is this node's. Adds place, packed message and count of each to the reply.
local function hold(stream, places, bodies, reply)
  if #places == 0 then return end
  redis.call('SADD', claims(me, stream), unpack(places))
  redis.call('SADD', key('claimed:' .. me), stream)
  redis.call('SADD', key('claimants'), me)
  if redis.call('EXISTS', key('expiring:' .. stream)) == 1 then
    redis.call('ZREM', key('expiring:' .. stream), unpack(places))
  end
  local counts = redis.call('HMGET', key('counts:' .. stream), unpack(places))
  local weight = 0
  for k, place in ipairs(places) do
    weight = weight + struct.unpack('>d', bodies[k])
    reply[#reply + 1] = place
    reply[#reply + 1] = bodies[k]
    reply[#reply + 1] = counts[k] or '0'
  end
  redis.call('DECRBY', key('bytes:' .. stream), text(weight))
end

-- Back to where it was; nothing when the queue was dropped. What is condemned never becomes ready: it expires.
local function putBack(stream, place, count, notBefore, condemned)
  local packed = redis.call('HGET', key('bodies:' .. stream), place)
  if not packed then return end
  local weight, _, expires = struct.unpack('>ddd', packed)
  if condemned then redis.call('HSET', key('counts:' .. stream), place, text(count) .. ' ' .. condemned)
  elseif count > 0 then redis.call('HSET', key('counts:' .. stream), place, text(count))
  else redis.call('HDEL', key('counts:' .. stream), place) end
  if condemned then
    redis.call('ZADD', key('delayed:' .. stream), '+inf', place)
    expires = notBefore
  elseif notBefore > now then
    redis.call('ZADD', key('delayed:' .. stream), text(notBefore), place)
    timed[stream] = true
  else
    redis.call('ZADD', key('ready:' .. stream), place, place)
    redis.call('INCR', key('returns:' .. stream))
    add(stream, 1)
  end
  watchExpiry(stream, place, expires)
  redis.call('INCRBY', key('bytes:' .. stream), text(weight))
end

local function countOf(stream, place)
  return tonumber(string.match(redis.call('HGET', key('counts:' .. stream), place) or '0', '^%d+'))
end

local function remove(stream, place)
  redis.call('HDEL', key('bodies:' .. stream), place)
  redis.call('HDEL', key('counts:' .. stream), place)
end

-- Is to be told of what comes; how, is in other sets.
local function waitsFor(stream)
  redis.call('SADD', key('waits:' .. me), stream)
  redis.call('SADD', key('claimants'), me)
end

local member
local function isMember()
  if member == nil then member = redis.call('ZSCORE', key('nodes'), me) ~= false end
  return member
end

-- By stream: what the operations of the unit before this one will have added.
checks['queue-append'] = function(a)
  local stream, weight, onFull = ARGV[a + 1], tonumber(ARGV[a + 4]), ARGV[a + 9]
  local asked = tally[stream] or {0, 0}
  local messages, bytes = redis.call('ZCARD', key('delayed:' .. stream)), 0
  if onFull == 'refuse' then
    messages = messages + redis.call('ZCARD', key('ready:' .. stream))
    bytes = tonumber(redis.call('GET', key('bytes:' .. stream)) or '0')
  end
  if messages + asked[1] + 1 > tonumber(ARGV[a + 7]) or bytes + asked[2] + weight > tonumber(ARGV[a + 8]) then
    return 'queue-full', ARGV[a + 10] .. ' is full: ' .. text(messages) .. ' messages, ' .. text(bytes) .. ' octets'
  end
  tally[stream] = {asked[1] + 1, asked[2] + weight}
end

-- The oldest of the lowest priority that waits; nil when there is none.
local function leastWanted(stream)
  local last = redis.call('ZREVRANGE', key('ready:' .. stream), 0, 0)[1]
  if not last then return nil end
  local lane = math.floor(tonumber(last) / LANE)
  return redis.call('ZRANGEBYSCORE', key('ready:' .. stream), text(lane * LANE), '+inf', 'LIMIT', 0, 1)[1]
end

local function isRoom(stream, weight, mostMessages, mostBytes)
  local messages = redis.call('ZCARD', key('ready:' .. stream)) + redis.call('ZCARD', key('delayed:' .. stream))
  local bytes = tonumber(redis.call('GET', key('bytes:' .. stream)) or '0')
  return messages + 1 <= mostMessages and bytes + weight <= mostBytes
end

local function makeRoom(stream, weight, mostMessages, mostBytes, onFull, displaced)
  local dropped = 0
  while not isRoom(stream, weight, mostMessages, mostBytes) do
    local place = leastWanted(stream)
    if not place then break end
    local packed = redis.call('HGET', key('bodies:' .. stream), place)
    redis.call('ZREM', key('ready:' .. stream), place)
    if onFull == 'dead-letter' then hold(stream, {place}, {packed}, displaced)
    else
      redis.call('ZREM', key('expiring:' .. stream), place)
      redis.call('DECRBY', key('bytes:' .. stream), text((struct.unpack('>d', packed))))
      remove(stream, place)
      dropped = dropped + 1
    end
  end
  return dropped
end

-- A Redis that has lost everything must not give a place twice: it begins where it cannot have been yet.
local function nextAge()
  local age = redis.call('INCR', key('places'))
  if age > 1 then return age end
  age = math.max(1, math.floor((now - ${AGES_SINCE_EPOCH_MS}) * ${AGES_PER_MS}))
  redis.call('SET', key('places'), text(age))
  return age
end

applies['queue-append'] = function(a)
  local stream, weight, onFull = ARGV[a + 1], tonumber(ARGV[a + 4]), ARGV[a + 9]
  local mostMessages, mostBytes = tonumber(ARGV[a + 7]), tonumber(ARGV[a + 8])
  local displaced, dropped = {}, 0
  if onFull ~= 'refuse' then dropped = makeRoom(stream, weight, mostMessages, mostBytes, onFull, displaced) end
  local place = text(tonumber(ARGV[a + 2]) + nextAge())
  redis.call('HSET', key('bodies:' .. stream), place, ARGV[a + 3])
  redis.call('INCRBY', key('bytes:' .. stream), ARGV[a + 4])
  if tonumber(ARGV[a + 6]) > now then
    redis.call('ZADD', key('delayed:' .. stream), ARGV[a + 6], place)
    timed[stream] = true
  else
    redis.call('ZADD', key('ready:' .. stream), place, place)
    add(stream, 1)
  end
  watchExpiry(stream, place, tonumber(ARGV[a + 5]))
  return {dropped, displaced}
end

local function claimSome(stream, most, mostBytes, reply)
  local bytes, count = 0, 0
  while count < most do
    local places = redis.call('ZRANGE', key('ready:' .. stream), 0, math.min(most - count, ${CHUNK}) - 1)
    if #places == 0 then return end
    local bodies = redis.call('HMGET', key('bodies:' .. stream), unpack(places))
    local taken = {}
    for k, place in ipairs(places) do
      local weight = struct.unpack('>d', bodies[k])
      if count + k > 1 and bytes + weight > mostBytes then break end
      bytes = bytes + weight
      taken[k] = place
    end
    if #taken > 0 then redis.call('ZREM', key('ready:' .. stream), unpack(taken)) end
    hold(stream, taken, bodies, reply)
    count = count + #taken
    if #taken < #places then return end
  end
end

-- What this node claimed and does not know of: an answer was lost on its way.
local function keepOnly(stream, first, count)
  local known = {}
  for k = first, first + count - 1 do known[ARGV[k]] = true end
  for _, place in ipairs(redis.call('SMEMBERS', claims(me, stream))) do
    if not known[place] then
      redis.call('SREM', claims(me, stream), place)
      putBack(stream, place, countOf(stream, place), 0)
    end
  end
end

applies['queue-claim'] = function(a)
  local stream, most = ARGV[a + 1], tonumber(ARGV[a + 2])
  if not isMember() then return {0, {}, '0'} end
  if ARGV[a + 6] ~= '-' then keepOnly(stream, a + 7, tonumber(ARGV[a + 6])) end
  promote(stream)
  local exclusive = key('exclusive:' .. stream)
  if ARGV[a + 5] == '1' then
    redis.call('ZADD', exclusive, 'NX', redis.call('INCR', key('turns')), me)
    waitsFor(stream)
  elseif redis.call('ZREM', exclusive, me) == 1 then add(stream, 1) end
  local first = redis.call('ZRANGE', exclusive, 0, 0)[1]
  local reply = {}
  if not first or first == me then claimSome(stream, most, tonumber(ARGV[a + 3]), reply) end
  local isMore = (not first or first == me) and redis.call('EXISTS', key('ready:' .. stream)) == 1
  if not isMore and ARGV[a + 4] == '1' then
    redis.call('ZADD', key('waiting:' .. stream), 'NX', redis.call('INCR', key('turns')), me)
    waitsFor(stream)
  else
    redis.call('ZREM', key('waiting:' .. stream), me)
    -- There may be more than this node wanted.
    add(stream, 1)
  end
  return {1, reply, nextDue(stream), isMore and 1 or 0}
end

applies['queue-take'] = function(a)
  local stream = ARGV[a + 1]
  if not isMember() then return {0, {}, '0'} end
  local taken, reply = {}, {}
  for k = a + 3, a + 2 + tonumber(ARGV[a + 2]) do
    if redis.call('ZREM', key('ready:' .. stream), ARGV[k]) == 1 then taken[#taken + 1] = ARGV[k] end
  end
  if #taken > 0 then hold(stream, taken, redis.call('HMGET', key('bodies:' .. stream), unpack(taken)), reply) end
  return {1, reply, '0'}
end

applies['queue-scan'] = function(a)
  local stream, most, mostBytes = ARGV[a + 1], tonumber(ARGV[a + 2]), tonumber(ARGV[a + 3])
  promote(stream)
  local reply, count, bytes = {}, 0, 0
  for priority = 9, 0, -1 do
    local after = tonumber(ARGV[a + 5 + priority])
    local last = text((11 - priority) * LANE - 1)
    while count < most and bytes < mostBytes do
      local places = redis.call('ZRANGEBYSCORE', key('ready:' .. stream), '(' .. text(after), last, 'LIMIT', 0, ${CHUNK})
      if #places == 0 then break end
      local bodies = redis.call('HMGET', key('bodies:' .. stream), unpack(places))
      local counts = redis.call('HMGET', key('counts:' .. stream), unpack(places))
      for k, place in ipairs(places) do
        if count >= most or bytes >= mostBytes then break end
        count = count + 1
        bytes = bytes + struct.unpack('>d', bodies[k])
        reply[#reply + 1] = place
        reply[#reply + 1] = bodies[k]
        reply[#reply + 1] = counts[k] or '0'
      end
      after = tonumber(places[#places])
    end
  end
  if count == 0 and ARGV[a + 4] == '1' then
    redis.call('SADD', key('picky:' .. stream), me)
    waitsFor(stream)
  end
  local returns, newest = redis.call('GET', key('returns:' .. stream)), redis.call('GET', key('places'))
  return {reply, returns or '0', newest or '0', nextDue(stream)}
end

local function checkClaimed(stream, place, isRequired)
  if isRequired == '1' and redis.call('SISMEMBER', claims(me, stream), place) == 0 then
    return 'message-gone', 'Message ' .. place .. ' is not with this node any more'
  end
end

checks['queue-settle'] = function(a)
  return checkClaimed(ARGV[a + 1], ARGV[a + 2], ARGV[a + 3])
end

checks['queue-return'] = function(a)
  return checkClaimed(ARGV[a + 1], ARGV[a + 2], ARGV[a + 5])
end

applies['queue-settle'] = function(a)
  if redis.call('SREM', claims(me, ARGV[a + 1]), ARGV[a + 2]) == 1 then remove(ARGV[a + 1], ARGV[a + 2]) end
end

applies['queue-return'] = function(a)
  if redis.call('SREM', claims(me, ARGV[a + 1]), ARGV[a + 2]) == 0 then return end
  local condemned = ARGV[a + 6] ~= '' and ARGV[a + 6] or nil
  putBack(ARGV[a + 1], ARGV[a + 2], tonumber(ARGV[a + 3]), tonumber(ARGV[a + 4]), condemned)
end

applies['queue-expire'] = function(a)
  local stream, reply = ARGV[a + 1], {}
  if not isMember() then return {0, reply, '0'} end
  local expired = redis.call('ZRANGEBYSCORE', key('expiring:' .. stream), '-inf', nowText, 'LIMIT', 0, ARGV[a + 2])
  if #expired > 0 then
    redis.call('ZREM', key('ready:' .. stream), unpack(expired))
    redis.call('ZREM', key('delayed:' .. stream), unpack(expired))
    hold(stream, expired, redis.call('HMGET', key('bodies:' .. stream), unpack(expired)), reply)
  end
  local first = redis.call('ZRANGE', key('expiring:' .. stream), 0, 0, 'WITHSCORES')
  if first[2] then redis.call('ZADD', key('expiries'), first[2], stream)
  else redis.call('ZREM', key('expiries'), stream) end
  return {1, reply, '0'}
end

local function stopWaiting(incarnation, stream)
  redis.call('ZREM', key('waiting:' .. stream), incarnation)
  redis.call('SREM', key('picky:' .. stream), incarnation)
  redis.call('ZREM', key('exclusive:' .. stream), incarnation)
  -- Whoever is told instead of it.
  add(stream, 1)
end

applies['queue-leave'] = function(a)
  stopWaiting(me, ARGV[a + 1])
  redis.call('SREM', key('waits:' .. me), ARGV[a + 1])
end

applies['queue-drop'] = function(a)
  for _, part in ipairs({'ready:', 'delayed:', 'bodies:', 'counts:', 'expiring:', 'bytes:', 'returns:'}) do
    redis.call('DEL', key(part .. ARGV[a + 1]))
  end
  redis.call('ZREM', key('expiries'), ARGV[a + 1])
end

local function reclaim(gone)
  if redis.call('ZSCORE', key('nodes'), gone) then return end
  for _, stream in ipairs(redis.call('SMEMBERS', key('claimed:' .. gone))) do
    for _, place in ipairs(redis.call('SMEMBERS', claims(gone, stream))) do
      putBack(stream, place, countOf(stream, place) + 1, 0)
    end
    redis.call('DEL', claims(gone, stream))
  end
  for _, stream in ipairs(redis.call('SMEMBERS', key('waits:' .. gone))) do stopWaiting(gone, stream) end
  redis.call('DEL', key('claimed:' .. gone), key('waits:' .. gone))
  redis.call('SREM', key('claimants'), gone)
end

applies['queue-reclaim'] = function(a)
  if ARGV[a + 1] ~= '' then
    reclaim(ARGV[a + 1])
    return
  end
  for _, each in ipairs(redis.call('SMEMBERS', key('claimants'))) do reclaim(each) end
end

applies['queue-overdue'] = function()
  return redis.call('ZRANGEBYSCORE', key('expiries'), '-inf', nowText, 'LIMIT', 0, 100)
end

local function tell(incarnation, stream)
  return redis.call(publish, key('wake:' .. incarnation), stream)
end

-- As many nodes as messages have come, in the order they began to wait; one that does not hear it is passed over.
local function wake(stream, count)
  local left = math.min(count, redis.call('ZCARD', key('ready:' .. stream)))
  if left == 0 then return end
  for _, incarnation in ipairs(redis.call('SMEMBERS', key('picky:' .. stream))) do tell(incarnation, stream) end
  redis.call('DEL', key('picky:' .. stream))
  local first = redis.call('ZRANGE', key('exclusive:' .. stream), 0, 0)[1]
  if first then
    tell(first, stream)
    return
  end
  while left > 0 do
    local waiting = redis.call('ZPOPMIN', key('waiting:' .. stream))[1]
    if not waiting then return end
    if tell(waiting, stream) > 0 then left = left - 1 end
  end
end

atEnd(function()
  for stream in pairs(timed) do
    local waiting = redis.call('ZRANGE', key('waiting:' .. stream), 0, -1)
    for _, incarnation in ipairs(waiting) do tell(incarnation, stream) end
    for _, incarnation in ipairs(redis.call('SMEMBERS', key('picky:' .. stream))) do tell(incarnation, stream) end
  end
  for stream, count in pairs(came) do wake(stream, count) end
end)
`;

export const QUEUE_KINDS: SharedKinds<QueueOperation> = {
  'queue-append': {
    encode: ({ stream, message, bounds, title }) => [
      stream,
      laneStart(message.priority),
      packMessage(message),
      message.weightBytes,
      message.expiresEpochMs,
      message.notBeforeEpochMs,
      bounds.maxMessages,
      bounds.maxBytes,
      bounds.onFull,
      title,
    ],
    decode: (reply): AppendResult => {
      const [dropped, displaced] = list(reply);
      return { dropped: Number(dropped), displaced: sharedMessages(displaced) };
    },
    grows: true,
  },
  'queue-claim': {
    encode: ({ stream, maxMessages, maxBytes, waits, isExclusive, known }): readonly RedisArgument[] => {
      const places = known === null ? ['-'] : [known.length, ...known];
      return [stream, maxMessages, maxBytes, flag(waits), flag(isExclusive), ...places];
    },
    decode: claimed,
    grows: false,
  },
  'queue-take': { encode: ({ stream, places }) => [stream, places.length, ...places], decode: claimed, grows: false },
  'queue-scan': {
    encode: ({ stream, after, maxMessages, maxBytes, waits }) => {
      const starts = Array.from({ length: HIGHEST_PRIORITY + 1 }, (_, priority) => {
        return Math.max(after[priority] ?? 0, laneStart(priority));
      });
      return [stream, maxMessages, maxBytes, flag(waits), ...starts];
    },
    decode: (reply): ScanResult => {
      const [found, returns, newest, nextDue] = list(reply);
      const ages = { returns: number(returns), newest: number(newest) };
      return { messages: sharedMessages(found), ...ages, nextDueEpochMs: number(nextDue) };
    },
    grows: false,
  },
  'queue-settle': {
    encode: ({ stream, place, isRequired }) => [stream, place, flag(isRequired === true)],
    grows: false,
  },
  'queue-return': {
    encode: ({ stream, place, deliveryCount, notBeforeEpochMs, isRequired, condemned }) => [
      ...[stream, place, deliveryCount, notBeforeEpochMs],
      flag(isRequired === true),
      condemned === undefined ? '' : `${condemned.reason} ${condemned.retryMs}`,
    ],
    grows: false,
  },
  'queue-expire': { encode: ({ stream, maxMessages }) => [stream, maxMessages], decode: claimed, grows: false },
  'queue-leave': { encode: ({ stream }) => [stream], grows: false },
  'queue-drop': { encode: ({ stream }) => [stream], grows: false },
  'queue-reclaim': { encode: ({ incarnation }) => [incarnation ?? ''], grows: false },
  'queue-overdue': { encode: () => [], decode: (reply) => list(reply).map(String), grows: false },
};

function flag(value: boolean): string {
  return value ? '1' : '';
}

function claimed(reply: unknown): ClaimResult {
  const [isMember, found, nextDue, isMore] = list(reply);
  const rest = { nextDueEpochMs: number(nextDue), isMore: isMore === 1 };
  return { isMember: isMember === 1, messages: sharedMessages(found), ...rest };
}

/** Place, packed message and count by turns; with the count, of one that is condemned, what for and the time it waited. */
export function sharedMessages(reply: unknown): SharedMessage[] {
  const all = list(reply);
  const found: SharedMessage[] = [];
  for (let k = 0; k + 2 < all.length; k += 3) {
    const place = number(all[k]);
    const { octets, weightBytes, expiresEpochMs } = unpackMessage(all[k + 1] as Buffer);
    const priority = HIGHEST_PRIORITY + 1 - Math.floor(place / LANE);
    const [count, reason, retryMs] = String(all[k + 2]).split(' ');
    const deliveryCount = Number(count);
    const condemned = reason === undefined ? null : { reason: reason as DeadLetterReason, retryMs: Number(retryMs) };
    found.push({ place, priority, age: place % LANE, octets, weightBytes, expiresEpochMs, deliveryCount, condemned });
  }
  return found;
}

function list(reply: unknown): readonly unknown[] {
  if (!Array.isArray(reply)) throw new TypeError(`wants a list, got ${String(reply)}`);
  return reply;
}

function number(reply: unknown): number {
  return Number(String(reply));
}
