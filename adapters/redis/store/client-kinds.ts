/** Which session has a client-id, of all nodes, in Redis: one hash, and a set of each node's for when it is gone. */
import type { ClientClaimResult, ClientOperation } from '../../../broker/ports.js';
import type { SharedKinds } from './shared-kind.js';

const OUTCOMES = ['in-use', 'claimed', 'displaced'] as const;

export const CLIENT_LUA = `
do

-- Node, session, since when, whose.
local function holderOf(clientId)
  local text = redis.call('HGET', key('clients'), clientId)
  if not text then return nil end
  local node, session, since, owner = string.match(text, '^([^\\n]*)\\n([^\\n]*)\\n([^\\n]*)\\n(.*)$')
  if not redis.call('ZSCORE', key('nodes'), node) then return nil end
  return {node = node, session = session, since = tonumber(since), owner = owner}
end

applies['client-claim'] = function(a)
  local clientId, session, owner, since = ARGV[a + 1], ARGV[a + 2], ARGV[a + 3], ARGV[a + 4]
  local holder, former = holderOf(clientId), ''
  if holder and holder.session ~= session then
    if holder.owner ~= owner then return {0, ''} end
    if ARGV[a + 5] == '1' and holder.since > tonumber(since) then return {2, ''} end
    -- A node whose connection is gone has nobody to end.
    if redis.call(publish, key('wake:' .. holder.node), 'client:' .. holder.session) > 0 then former = holder.session end
    redis.call('SREM', key('clients:' .. holder.node), clientId)
  end
  redis.call('HSET', key('clients'), clientId, table.concat({me, session, since, owner}, '\\n'))
  redis.call('SADD', key('clients:' .. me), clientId)
  redis.call('SADD', key('clients:nodes'), me)
  return {1, former}
end

applies['client-release'] = function(a)
  local holder = holderOf(ARGV[a + 1])
  if not holder or holder.session ~= ARGV[a + 2] then return end
  redis.call('HDEL', key('clients'), ARGV[a + 1])
  redis.call('SREM', key('clients:' .. holder.node), ARGV[a + 1])
end

local function forgetOf(gone)
  if redis.call('ZSCORE', key('nodes'), gone) then return end
  for _, clientId in ipairs(redis.call('SMEMBERS', key('clients:' .. gone))) do
    local text = redis.call('HGET', key('clients'), clientId)
    if text and string.sub(text, 1, #gone + 1) == gone .. '\\n' then redis.call('HDEL', key('clients'), clientId) end
  end
  redis.call('DEL', key('clients:' .. gone))
  redis.call('SREM', key('clients:nodes'), gone)
end

applies['client-reclaim'] = function(a)
  if ARGV[a + 1] ~= '' then
    forgetOf(ARGV[a + 1])
    return
  end
  for _, each in ipairs(redis.call('SMEMBERS', key('clients:nodes'))) do forgetOf(each) end
end

end
`;

export const CLIENT_KINDS: SharedKinds<ClientOperation> = {
  'client-claim': {
    encode: ({ clientId, sessionId, owner, sinceEpochMs, isAgain }) => [
      clientId,
      sessionId,
      owner,
      sinceEpochMs,
      isAgain ? '1' : '',
    ],
    decode: (reply): ClientClaimResult => {
      const [outcome, former] = (reply as readonly unknown[]).map(String);
      return {
        outcome: OUTCOMES[Number(outcome)] ?? 'in-use',
        formerSessionId: former === undefined || former === '' ? null : former,
      };
    },
    grows: true,
  },
  'client-release': { encode: ({ clientId, sessionId }) => [clientId, sessionId], grows: false },
  'client-reclaim': { encode: ({ incarnation }) => [incarnation ?? ''], grows: false },
};
