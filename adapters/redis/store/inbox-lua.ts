/**
 * Inboxes of users, in Redis: the part of the commit script. Of one user: packed messages, what they count, how often each
 * was delivered, those that wait, those whose time has not come, those that expire, what each node has claimed; and who has
 * subscriptions where. Places are those of queues, so a message has one number wherever it is kept.
 */

/** Read at a time on the way to a limit. */
const CHUNK = 64;
/** Expired messages that are dropped at once, of one user and in all. */
const SWEPT = 1_000;
/** Interests that are taken back at once. */
const LEFT = 512;
/** How long nodes may take to say that nobody was there any more. */
const PASSED_MS = 60_000;

/** A block of its own, as a script may have only so many locals; uses `isMember` of the queues' part. */
export const INBOX_LUA = `
do

-- By user, the destinations of what waits now and did not before.
local stirred = {}

local function stir(user, rest)
  stirred[user] = stirred[user] or {}
  stirred[user][rest] = true
end

-- What is covered by an interest (broker/inbox/interest.ts).
local function segmentFits(glob, segment)
  if glob == '*' or glob == segment then return true end
  local at, g, star, resume = 1, 1, 0, 0
  while at <= #segment do
    local byte = string.byte(glob, g)
    if byte == 42 then
      star, resume = g, at
      g = g + 1
    elseif byte and byte == string.byte(segment, at) then
      at, g = at + 1, g + 1
    elseif star > 0 then
      g, resume = star + 1, resume + 1
      at = resume
    else return false end
  end
  while string.byte(glob, g) == 42 do g = g + 1 end
  return g > #glob
end

local function split(text, separator)
  local parts = {}
  for part in string.gmatch(text, '[^%' .. separator .. ']+') do parts[#parts + 1] = part end
  return parts
end

-- As broker/destinations/subscription-index.ts matches; with isWider, where separators at the end differ too.
local function globCovers(glob, rest, separator, isWider)
  local isAbsolute = string.sub(rest, 1, 1) == separator
  if (string.sub(glob, 1, 1) == separator) ~= isAbsolute then return false end
  local parts, segments = split(glob, separator), split(rest, separator)
  local last, endsOpen = #segments, string.sub(rest, -1) == separator
  local isSameEnd = isWider or (string.sub(glob, -1) == separator) == endsOpen
  local reached, before, hasRest = {[0] = true}, {}, false
  for at, part in ipairs(parts) do
    local following, isOpen = {}, false
    before = reached
    for k = 0, last do
      if part == '**' then
        isOpen = isOpen or reached[k]
        following[k] = isOpen or nil
      elseif reached[k] and segments[k + 1] and segmentFits(part, segments[k + 1]) then following[k + 1] = true end
    end
    reached = following
    hasRest = hasRest or (part == '**' and at < #parts)
  end
  local final = parts[#parts]
  if reached[last] and (final == '**' or isSameEnd) then return true end
  -- The star stands for the empty segment behind the last separator.
  return endsOpen and before[last] == true and (isWider or (final == '*' and not hasRest))
end

local function covers(interest, rest)
  local kind = string.sub(interest, 1, 1)
  if kind == '=' then return string.sub(interest, 2) == rest end
  return globCovers(string.sub(interest, 3), rest, string.sub(interest, 2, 2), kind == '?')
end

-- Nodes with an interest, one in a line.
local function interestKey(user, interest)
  return key((string.sub(interest, 1, 1) == '=' and 'inbox:exact:' or 'inbox:globs:') .. user)
end

local function lose(incarnation, user, interest)
  local name = interestKey(user, interest)
  local nodes = redis.call('HGET', name, interest)
  if not nodes then return end
  local others = {}
  for node in string.gmatch(nodes, '[^\\n]+') do
    if node ~= incarnation then others[#others + 1] = node .. '\\n' end
  end
  if #others == 0 then redis.call('HDEL', name, interest)
  else redis.call('HSET', name, interest, table.concat(others)) end
end

local function join(user, interest)
  -- What takes memory is let through behind what takes none: without it nobody would be found there.
  redis.call('SREM', key('inbox:here:' .. me), '')
  if redis.call('SADD', key('inbox:here:' .. me), user .. '\\0' .. interest) == 0 then return end
  redis.call('SADD', key('inbox:nodes'), me)
  local name = interestKey(user, interest)
  redis.call('HSET', name, interest, (redis.call('HGET', name, interest) or '') .. me .. '\\n')
end

local function leave(incarnation, user, interest)
  redis.call('SREM', key('inbox:here:' .. incarnation), user .. '\\0' .. interest)
  lose(incarnation, user, interest)
end

-- As many as one script may take; how many are left.
local function leaveSome(incarnation)
  local here = key('inbox:here:' .. incarnation)
  for _, each in ipairs(redis.call('SPOP', here, ${LEFT})) do
    local at = string.find(each, '\\0', 1, true)
    lose(incarnation, string.sub(each, 1, at - 1), string.sub(each, at + 1))
  end
  return redis.call('SCARD', here)
end

local function addNodes(found, nodes)
  for node in string.gmatch(nodes or '', '[^\\n]+') do
    if not found[node] and redis.call('ZSCORE', key('nodes'), node) then
      found[node] = true
      found[#found + 1] = node
    end
  end
end

-- Nodes of the cluster where the user has a subscription; with those that only may cover it.
local function nodesOf(user, rest, withWider)
  local found = {}
  addNodes(found, redis.call('HGET', key('inbox:exact:' .. user), '=' .. rest))
  local globs = redis.call('HGETALL', key('inbox:globs:' .. user))
  for k = 1, #globs, 2 do
    local isAsked = withWider or string.sub(globs[k], 1, 1) == '*'
    if isAsked and covers(globs[k], rest) then addNodes(found, globs[k + 1]) end
  end
  return found
end

-- What is known of an entry without its octets: rule, weight, end, destination.
local function readEntry(text)
  local rule = string.find(text, '\\0', 1, true)
  local weight = string.find(text, '\\0', rule + 1, true)
  local expires = string.find(text, '\\0', weight + 1, true)
  return {
    rule = string.sub(text, 1, rule - 1),
    bytes = tonumber(string.sub(text, rule + 1, weight - 1)),
    expires = tonumber(string.sub(text, weight + 1, expires - 1)),
    rest = string.sub(text, expires + 1),
  }
end

local function entryOf(user, place)
  local text = redis.call('HGET', key('inbox:entries:' .. user), place)
  return text and readEntry(text) or nil
end

-- m, b: all of a rule, messages and octets; wm, wb: of these, what waits and may give way.
local function count(user, rule, field, by)
  return redis.call('HINCRBY', key('inbox:tally:' .. user), field .. ' ' .. rule, text(by))
end

local function tallyOf(user, rule, field)
  return tonumber(redis.call('HGET', key('inbox:tally:' .. user), field .. ' ' .. rule) or '0')
end

local function watch(user, place, expires)
  if expires <= 0 then return end
  redis.call('ZADD', key('inbox:expiring:' .. user), text(expires), place)
  redis.call('ZADD', key('inbox:expiries'), 'LT', text(expires), user)
end

local function wait(user, place, entry)
  redis.call('ZADD', key('inbox:waiting:' .. user), place, place)
  count(user, entry.rule, 'wm', 1)
  count(user, entry.rule, 'wb', entry.bytes)
  stir(user, entry.rest)
end

-- Out of what waits, whatever comes of it.
local function unwait(user, place, entry)
  if redis.call('ZREM', key('inbox:waiting:' .. user), place) == 1 then
    count(user, entry.rule, 'wm', -1)
    count(user, entry.rule, 'wb', -entry.bytes)
  else redis.call('ZREM', key('inbox:delayed:' .. user), place) end
  redis.call('ZREM', key('inbox:expiring:' .. user), place)
end

local function forget(user, place, entry)
  redis.call('HDEL', key('inbox:bodies:' .. user), place)
  redis.call('HDEL', key('inbox:entries:' .. user), place)
  redis.call('HDEL', key('inbox:counts:' .. user), place)
  count(user, entry.rule, 'm', -1)
  count(user, entry.rule, 'b', -entry.bytes)
  redis.call('HINCRBY', key('inbox:totals'), 'messages', -1)
  redis.call('HINCRBY', key('inbox:totals'), 'bytes', text(-entry.bytes))
  if redis.call('HINCRBY', key('inbox:sizes'), user, -1) > 0 then return end
  redis.call('HDEL', key('inbox:sizes'), user)
  redis.call('DEL', key('inbox:tally:' .. user))
  redis.call('ZREM', key('inbox:expiries'), user)
end

local function oldestOf(user, rule)
  local after = '-inf'
  while true do
    local places = redis.call('ZRANGEBYSCORE', key('inbox:waiting:' .. user), after, '+inf', 'LIMIT', 0, ${CHUNK})
    if #places == 0 then return nil end
    for k, each in ipairs(redis.call('HMGET', key('inbox:entries:' .. user), unpack(places))) do
      local entry = readEntry(each)
      if entry.rule == rule then return places[k], entry end
    end
    after = '(' .. places[#places]
  end
end

-- Oldest ones of the same user and rule give way; nil: that would not be enough.
local function makeRoom(user, rule, bytes, mostMessages, mostBytes, mostInAll)
  local inAll = tonumber(redis.call('HGET', key('inbox:totals'), 'bytes') or '0')
  local messages, octets = tallyOf(user, rule, 'm'), tallyOf(user, rule, 'b')
  local givable = tallyOf(user, rule, 'wb')
  if messages - tallyOf(user, rule, 'wm') + 1 > mostMessages then return nil end
  if octets - givable + bytes > mostBytes or inAll - givable + bytes > mostInAll then return nil end
  local dropped = 0
  while messages + 1 > mostMessages or octets + bytes > mostBytes or inAll + bytes > mostInAll do
    local place, entry = oldestOf(user, rule)
    unwait(user, place, entry)
    forget(user, place, entry)
    messages, octets, inAll = messages - 1, octets - entry.bytes, inAll - entry.bytes
    dropped = dropped + 1
  end
  return dropped
end

-- To the nodes where the user is; whether any of them hears it. Several are told under which number it was given to them.
local function passOn(user, rest, packed)
  local nodes, heard, number = nodesOf(user, rest, false), 0, '0'
  if #nodes == 0 then return false end
  if #nodes > 1 then number = text(redis.call('INCR', key('inbox:passed'))) end
  local payload = table.concat({number, user, rest, packed}, '\\0')
  for _, node in ipairs(nodes) do heard = heard + redis.call(publish, key('user:' .. node), payload) end
  if heard > 1 then redis.call('SET', key('inbox:passed:' .. number), heard, 'PX', ${PASSED_MS}) end
  return heard > 0
end

-- Of a number: whether nobody is left who may have had it.
local function isMissedByAll(number)
  if number == '0' then return true end
  -- With one who heard it, nothing was written down.
  local left = redis.call('GET', key('inbox:passed:' .. number))
  return not left or redis.call('DECR', key('inbox:passed:' .. number)) <= 0
end

applies['inbox-append'] = function(a)
  local user, rest, rule, packed = ARGV[a + 1], ARGV[a + 2], ARGV[a + 3], ARGV[a + 4]
  if ARGV[a + 11] == '' then
    if passOn(user, rest, packed) then return {2, 0} end
  elseif not isMissedByAll(ARGV[a + 11]) then return {2, 0} end
  local bytes = tonumber(ARGV[a + 5])
  if redis.call('HEXISTS', key('inbox:sizes'), user) == 0 then
    local known = ARGV[a + 12] == '' or tonumber(redis.call('ZSCORE', key('inbox:known'), user) or '0') > now
    if not known or redis.call('HLEN', key('inbox:sizes')) >= tonumber(ARGV[a + 9]) then return {0, 0} end
  end
  local dropped = makeRoom(user, rule, bytes, tonumber(ARGV[a + 7]), tonumber(ARGV[a + 8]), tonumber(ARGV[a + 10]))
  if not dropped then return {0, 0} end
  local entry = {rule = rule, bytes = bytes, expires = tonumber(ARGV[a + 6]), rest = rest}
  local place = text(tonumber(ARGV[a + 13]) + redis.call('INCR', key('places')))
  redis.call('HSET', key('inbox:bodies:' .. user), place, packed)
  redis.call('HSET', key('inbox:entries:' .. user), place, table.concat({rule, ARGV[a + 5], ARGV[a + 6], rest}, '\\0'))
  redis.call('HINCRBY', key('inbox:sizes'), user, 1)
  redis.call('HINCRBY', key('inbox:totals'), 'messages', 1)
  redis.call('HINCRBY', key('inbox:totals'), 'bytes', text(bytes))
  count(user, rule, 'm', 1)
  count(user, rule, 'b', bytes)
  watch(user, place, entry.expires)
  wait(user, place, entry)
  return {1, dropped}
end

applies['inbox-forget'] = function()
  return leaveSome(me)
end

applies['inbox-interest'] = function(a)
  local at, seen, kept = a + 3, {}, {}
  for _ = 1, tonumber(ARGV[a + 1]) do
    local user = ARGV[at]
    -- Whoever is none of the nodes says it again once it is.
    if isMember() then join(user, ARGV[at + 1]) end
    if not seen[user] and redis.call('HEXISTS', key('inbox:sizes'), user) == 1 then kept[#kept + 1] = user end
    seen[user] = true
    at = at + 2
  end
  for _ = 1, tonumber(ARGV[a + 2]) do
    leave(me, ARGV[at], ARGV[at + 1])
    at = at + 2
  end
  return kept
end

-- Those whose time has come.
local function promote(user)
  local due = redis.call('ZRANGEBYSCORE', key('inbox:delayed:' .. user), '-inf', nowText, 'LIMIT', 0, ${SWEPT})
  for _, place in ipairs(due) do
    redis.call('ZREM', key('inbox:delayed:' .. user), place)
    wait(user, place, entryOf(user, place))
  end
end

local function nextDue(user)
  return redis.call('ZRANGE', key('inbox:delayed:' .. user), 0, 0, 'WITHSCORES')[2] or '0'
end

local function claims(incarnation, user)
  return key('inbox:claims:' .. incarnation .. '|' .. user)
end

local function claim(user, place, entry)
  unwait(user, place, entry)
  redis.call('SADD', claims(me, user), place)
  redis.call('SADD', key('inbox:claimed:' .. me), user)
  redis.call('SADD', key('inbox:nodes'), me)
end

local function show(user, place, entry, reply)
  reply[#reply + 1] = place
  reply[#reply + 1] = redis.call('HGET', key('inbox:bodies:' .. user), place)
  reply[#reply + 1] = redis.call('HGET', key('inbox:counts:' .. user), place) or '0'
  reply[#reply + 1] = entry.rest
end

local function unclaim(user, place)
  if redis.call('SREM', claims(me, user), place) == 0 then return nil end
  if redis.call('EXISTS', claims(me, user)) == 0 then redis.call('SREM', key('inbox:claimed:' .. me), user) end
  return entryOf(user, place)
end

local function putBack(user, place, entry, deliveries, notBefore)
  if deliveries > 0 then redis.call('HSET', key('inbox:counts:' .. user), place, text(deliveries)) end
  watch(user, place, entry.expires)
  if notBefore > now then
    redis.call('ZADD', key('inbox:delayed:' .. user), text(notBefore), place)
    stir(user, entry.rest)
  else wait(user, place, entry) end
end

local function countOf(user, place)
  return tonumber(redis.call('HGET', key('inbox:counts:' .. user), place) or '0')
end

-- What this node claimed and does not know of: an answer was lost on its way.
local function keepOnly(user, first, length)
  local known = {}
  for k = first, first + length - 1 do known[ARGV[k]] = true end
  for _, place in ipairs(redis.call('SMEMBERS', claims(me, user))) do
    if not known[place] then
      local entry = unclaim(user, place)
      if entry then putBack(user, place, entry, countOf(user, place), 0) end
    end
  end
end

-- Of what waits behind a place, as much as is covered and fits; whether there is more. onFound is given each.
local function walk(user, after, first, length, most, mostBytes, onFound)
  local found, bytes = 0, 0
  while true do
    local places = redis.call('ZRANGEBYSCORE', key('inbox:waiting:' .. user), after, '+inf', 'LIMIT', 0, ${CHUNK})
    if #places == 0 then return 0 end
    for k, each in ipairs(redis.call('HMGET', key('inbox:entries:' .. user), unpack(places))) do
      local entry, isWanted = readEntry(each), false
      for i = first, first + length - 1 do isWanted = isWanted or covers(ARGV[i], entry.rest) end
      if isWanted then
        if found >= most or (found > 0 and bytes + entry.bytes > mostBytes) then return 1 end
        found, bytes = found + 1, bytes + entry.bytes
        onFound(places[k], entry)
      end
    end
    after = '(' .. places[#places]
  end
end

applies['inbox-claim'] = function(a)
  local user, most, mostBytes, length = ARGV[a + 1], tonumber(ARGV[a + 2]), tonumber(ARGV[a + 3]), tonumber(ARGV[a + 4])
  if not isMember() then return {0, {}, '0', 0} end
  local known = a + 5 + length
  if ARGV[known] ~= '-' then keepOnly(user, known + 1, tonumber(ARGV[known])) end
  promote(user)
  local reply = {}
  local isMore = walk(user, '-inf', a + 5, length, most, mostBytes, function(place, entry)
    claim(user, place, entry)
    show(user, place, entry, reply)
  end)
  return {1, reply, nextDue(user), isMore}
end

applies['inbox-scan'] = function(a)
  local user, most, mostBytes, length = ARGV[a + 1], tonumber(ARGV[a + 2]), tonumber(ARGV[a + 3]), tonumber(ARGV[a + 4])
  promote(user)
  local reply = {}
  local isMore = walk(user, '(' .. ARGV[a + 5 + length], a + 5, length, most, mostBytes, function(place, entry)
    show(user, place, entry, reply)
  end)
  return {1, reply, nextDue(user), isMore}
end

applies['inbox-take'] = function(a)
  local user, reply = ARGV[a + 1], {}
  if not isMember() then return {0, reply, '0', 0} end
  for k = a + 3, a + 2 + tonumber(ARGV[a + 2]) do
    if redis.call('ZSCORE', key('inbox:waiting:' .. user), ARGV[k]) then
      local entry = entryOf(user, ARGV[k])
      claim(user, ARGV[k], entry)
      show(user, ARGV[k], entry, reply)
    end
  end
  return {1, reply, nextDue(user), 0}
end

applies['inbox-settle'] = function(a)
  local entry = unclaim(ARGV[a + 1], ARGV[a + 2])
  if entry then forget(ARGV[a + 1], ARGV[a + 2], entry) end
end

applies['inbox-return'] = function(a)
  local entry = unclaim(ARGV[a + 1], ARGV[a + 2])
  if entry then putBack(ARGV[a + 1], ARGV[a + 2], entry, tonumber(ARGV[a + 3]), tonumber(ARGV[a + 4])) end
end

local function reclaim(gone)
  if redis.call('ZSCORE', key('nodes'), gone) then return 0 end
  local left = leaveSome(gone)
  for _, user in ipairs(redis.call('SMEMBERS', key('inbox:claimed:' .. gone))) do
    for _, place in ipairs(redis.call('SMEMBERS', claims(gone, user))) do
      local entry = entryOf(user, place)
      if entry then putBack(user, place, entry, countOf(user, place) + 1, 0) end
    end
    redis.call('DEL', claims(gone, user))
  end
  redis.call('DEL', key('inbox:claimed:' .. gone))
  if left == 0 then redis.call('SREM', key('inbox:nodes'), gone) end
  return left
end

applies['inbox-reclaim'] = function(a)
  if ARGV[a + 1] ~= '' then return reclaim(ARGV[a + 1]) end
  local left = 0
  for _, each in ipairs(redis.call('SMEMBERS', key('inbox:nodes'))) do left = left + reclaim(each) end
  return left
end

applies['inbox-sweep'] = function()
  local expired = 0
  for _, user in ipairs(redis.call('ZRANGEBYSCORE', key('inbox:expiries'), '-inf', nowText, 'LIMIT', 0, ${SWEPT})) do
    local places = redis.call('ZRANGEBYSCORE', key('inbox:expiring:' .. user), '-inf', nowText, 'LIMIT', 0, ${SWEPT})
    for _, place in ipairs(places) do
      local entry = entryOf(user, place)
      unwait(user, place, entry)
      forget(user, place, entry)
    end
    expired = expired + #places
    local first = redis.call('ZRANGE', key('inbox:expiring:' .. user), 0, 0, 'WITHSCORES')
    redis.call('ZREM', key('inbox:expiries'), user)
    if first[2] then redis.call('ZADD', key('inbox:expiries'), first[2], user) end
    if expired >= ${SWEPT} then break end
  end
  local totals = redis.call('HMGET', key('inbox:totals'), 'messages', 'bytes')
  return {expired, redis.call('HLEN', key('inbox:sizes')), totals[1] or '0', totals[2] or '0'}
end

applies['inbox-known'] = function(a)
  redis.call('ZADD', key('inbox:known'), ARGV[a + 2], ARGV[a + 1])
  local above = redis.call('ZCARD', key('inbox:known')) - tonumber(ARGV[a + 3])
  if above > 0 then redis.call('ZPOPMIN', key('inbox:known'), above) end
end

-- Each node once for each user.
atEnd(function()
  for user, rests in pairs(stirred) do
    local told = {}
    for rest in pairs(rests) do
      for _, node in ipairs(nodesOf(user, rest, true)) do
        if not told[node] then redis.call(publish, key('wake:' .. node), 'inbox:' .. user) end
        told[node] = true
      end
    end
  end
end)

end
`;
