/**
 * Histories in Redis, in Lua: what HISTORY_LUA names is shared by the scripts that read (read-script.ts) and the one that
 * commits (HISTORY_APPEND_LUA, a fragment of it). Both want `key(name)`.
 *
 * Of one history: a hash (where it ends, what it has let go) and a stream, whose ids are `<offset>-<number>`. Of all: a hash
 * (generation, epoch for those that begin, last number, octets) and a sorted set of their destinations by last number.
 */

/** What a message and a history cost beside the octets of messages, as HistoryLog counts them. */
const COSTS = `local MESSAGE_COST, HISTORY_COST = 512, 1024`;

/** Places in epochs that are longer ago than this many changes are not known any more. */
const KNOWN_EPOCHS = 16;

export const HISTORY_LUA = `
${COSTS}
local INDEX, CLUSTER = key('histories:index'), key('histories')
local FIELDS = { 'epoch', 'generation', 'former', 'last', 'number', 'trimmed', 'trimmedAt', 'newestAt', 'oldestAt', 'bytes' }
local cluster, clock = nil, 0
local opened = {}

-- Whole numbers as text: tostring has fourteen digits.
local function text(number)
  return string.format('%.0f', number)
end

-- One epoch more in front of those that a place may be in.
local function chained(epoch, last, former)
  local kept = {}
  for each in string.gmatch(former, '%S+') do
    if #kept < ${KNOWN_EPOCHS - 1} then kept[#kept + 1] = each end
  end
  return table.concat({ epoch .. ':' .. text(last), unpack(kept) }, ' ')
end

local function saveCluster()
  redis.call('HSET', CLUSTER, 'run', cluster.run, 'generation', cluster.generation, 'epoch', cluster.epoch,
    'former', cluster.former, 'number', text(cluster.number), 'bytes', text(cluster.bytes))
end

-- A Redis that was started again, or took over, may have lost the end of what it had: then places of before are good up to
-- where it begins now, and no offset is given twice in one epoch.
local function openCluster(fresh)
  if cluster then return end
  local now = redis.call('TIME')
  clock = now[1] * 1000 + math.floor(now[2] / 1000)
  local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
  local got = redis.call('HMGET', CLUSTER, 'run', 'generation', 'epoch', 'former', 'number', 'bytes')
  cluster = { run = got[1], generation = got[2], epoch = got[3], former = got[4] or '', number = tonumber(got[5] or 0),
    bytes = tonumber(got[6] or 0), fresh = fresh, epochs = 0 }
  if got[1] == run then return end
  cluster.run, cluster.generation = run, fresh
  cluster.former = got[3] and chained(got[3], 0, cluster.former) or ''
  cluster.epoch = fresh
  saveCluster()
end

local function costOf(history)
  if history.isNew then return 0 end
  return history.bytes + (history.last - history.trimmed) * MESSAGE_COST + HISTORY_COST
end

local function lose(history)
  history.trimmed, history.trimmedAt, history.bytes, history.oldestAt = history.last, history.newestAt, 0, 0
end

local function openHistory(destination)
  local history = opened[destination]
  if history then return history end
  history = { name = key('history:' .. destination), entries = key('history-entries:' .. destination), destination = destination }
  opened[destination] = history
  local got = redis.call('HMGET', history.name, unpack(FIELDS))
  history.isNew = not got[1]
  history.epoch = got[1] or cluster.epoch
  history.generation = got[2] or cluster.generation
  history.former = got[3] or cluster.former
  for at = 4, #FIELDS do history[FIELDS[at]] = tonumber(got[at] or 0) end
  history.cost = costOf(history)
  if history.generation ~= cluster.generation then
    history.former = chained(history.epoch, history.last, history.former)
    history.epoch, history.generation, history.isChanged = cluster.epoch, cluster.generation, true
  end
  if history.last > history.trimmed and redis.call('EXISTS', history.entries) == 0 then
    lose(history)
    history.isChanged = true
  end
  return history
end

-- Lets go of what is beyond a bound.
local function trim(history, maxMessages, maxBytes, maxAgeMs)
  local tooOld = maxAgeMs > 0 and clock - maxAgeMs or -1
  local function isOver(at)
    return history.last - history.trimmed > maxMessages or history.bytes > maxBytes or at <= tooOld
  end
  if history.last == history.trimmed or not isOver(history.oldestAt) then return end
  local from, isDone = '-', false
  repeat
    local count = math.min(64, math.max(history.last - history.trimmed - maxMessages, 3) + 1)
    local page = redis.call('XRANGE', history.entries, from, '+', 'COUNT', count)
    for _, entry in ipairs(page) do
      local at = tonumber(entry[2][2])
      if not isOver(at) then
        history.oldestAt, isDone = at, true
        break
      end
      history.trimmed, history.trimmedAt = tonumber(string.match(entry[1], '^%d+')), at
      history.bytes = history.bytes - tonumber(entry[2][4])
      from = '(' .. entry[1]
    end
  until isDone or #page == 0
  if not isDone then lose(history) end
  redis.call('XTRIM', history.entries, 'MINID', '=', text(history.trimmed + 1))
  history.isChanged = true
end

local function saveHistory(history)
  local values = { 'epoch', history.epoch, 'generation', history.generation, 'former', history.former }
  for at = 4, #FIELDS do
    values[#values + 1] = FIELDS[at]
    values[#values + 1] = text(history[FIELDS[at]])
  end
  redis.call('HSET', history.name, unpack(values))
  history.isNew = false
  local cost = costOf(history)
  cluster.bytes = cluster.bytes + cost - history.cost
  history.cost, history.isChanged = cost, false
end
`;

/**
 * Arguments of one append: destination, group, maxMessages, maxBytes, maxAgeMs, weight, octets, a name that no epoch has had,
 * octets that all histories may take. Of the commit script it wants `applies`, `atEnd`, `me` and `publish` besides.
 */
export const HISTORY_APPEND_LUA = `
do
${HISTORY_LUA}
local PAYLOAD_BYTES = 262144
local appended = {}

-- Its hash is gone though it is known: somebody took it away. No epoch may begin twice.
local function begin(history)
  if redis.call('ZSCORE', INDEX, history.destination) then
    cluster.epochs = cluster.epochs + 1
    cluster.epoch, cluster.former = cluster.fresh .. '_' .. cluster.epochs, ''
    history.epoch, history.former = cluster.epoch, ''
  end
  redis.call('DEL', history.entries)
end

local function tell(history)
  if #history.out == 0 then return end
  local place = history.outPlace
  local payload = struct.pack('>BB', 2, #me) .. me .. struct.pack('>I2', #history.destination) .. history.destination ..
    struct.pack('>B', #history.epoch) .. history.epoch .. struct.pack('>ddd', place[1], place[2], place[3]) .. table.concat(history.out)
  redis.call(publish, key('recorded:' .. history.destination), payload)
  redis.call(publish, key('recorded-group:' .. history.group), payload)
  history.out, history.outBytes = {}, 0
end

applies['history-append'] = function(a)
  openCluster(ARGV[a + 8])
  cluster.maxBytes = tonumber(ARGV[a + 9])
  local history = openHistory(ARGV[a + 1])
  if not history.out then
    appended[#appended + 1] = history
    history.out, history.outBytes = {}, 0
    if history.isNew then begin(history) end
  end
  history.group = ARGV[a + 2]
  history.bounds = { tonumber(ARGV[a + 3]), tonumber(ARGV[a + 4]), tonumber(ARGV[a + 5]) }
  local weight, octets, previous = ARGV[a + 6], ARGV[a + 7], history.number
  history.last, cluster.number = history.last + 1, cluster.number + 1
  history.number = cluster.number
  redis.call('XADD', history.entries, text(history.last) .. '-' .. text(history.number), 't', text(clock), 'w', weight, 'm', octets)
  history.bytes, history.newestAt = history.bytes + tonumber(weight), clock
  if history.last == history.trimmed + 1 then history.oldestAt = clock end
  if history.outBytes + #octets > PAYLOAD_BYTES then tell(history) end
  if #history.out == 0 then history.outPlace = { history.last, history.number, previous } end
  history.out[#history.out + 1] = struct.pack('>dI4', history.number, #octets) .. octets
  history.outBytes = history.outBytes + #octets
  return table.concat({ history.epoch, text(history.last), text(history.number), text(previous) }, ' ')
end

-- Those published to the longest ago, while there is too much.
local function makeRoom()
  local isForgotten = false
  for _ = 1, 64 do
    if cluster.bytes <= cluster.maxBytes then break end
    local oldest = redis.call('ZRANGE', INDEX, 0, 0)[1]
    if not oldest or (opened[oldest] and opened[oldest].out) then break end
    local history = openHistory(oldest)
    redis.call('DEL', history.name, history.entries)
    redis.call('ZREM', INDEX, oldest)
    cluster.bytes, isForgotten = cluster.bytes - history.cost, true
    opened[oldest] = nil
  end
  if not isForgotten then return end
  cluster.epochs = cluster.epochs + 1
  cluster.epoch, cluster.former = cluster.fresh .. '_' .. cluster.epochs, ''
end

atEnd(function()
  if #appended == 0 then return end
  for _, history in ipairs(appended) do
    tell(history)
    trim(history, history.bounds[1], history.bounds[2], history.bounds[3])
    saveHistory(history)
    redis.call('ZADD', INDEX, text(history.number), history.destination)
    if history.bounds[3] > 0 then redis.call('PEXPIRE', history.entries, text(history.bounds[3]))
    else redis.call('PERSIST', history.entries) end
  end
  makeRoom()
  saveCluster()
end)
end
`;
