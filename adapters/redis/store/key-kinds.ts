/**
 * Keys of messages in Redis, one key each, which Redis itself forgets: empty once its message was seen, before that the name
 * of the node that has it on its way.
 */
import type { KeyOperation, KeysResult } from '../../../broker/ports.js';
import type { SharedKinds } from './shared-kind.js';

export const KEY_LUA = `
applies['keys-take'] = function(a)
  local seen, free = {}, {}
  for k = a + 3, a + 2 + tonumber(ARGV[a + 2]) do
    local holder = redis.call('GET', key('key:' .. ARGV[k]))
    if holder == '' then seen[#seen + 1] = ARGV[k]
    -- What a node has on its way that is gone never arrives; this node asks for no key that it has.
    elseif holder and holder ~= me and redis.call('ZSCORE', key('nodes'), holder) then return {0, {}}
    else free[#free + 1] = ARGV[k] end
  end
  for _, each in ipairs(free) do redis.call('SET', key('key:' .. each), me, 'PX', ARGV[a + 1]) end
  return {1, seen}
end

applies['key-seen'] = function(a)
  redis.call('SET', key('key:' .. ARGV[a + 1]), '', 'PX', ARGV[a + 2])
end

applies['key-free'] = function(a)
  local holder = redis.call('GET', key('key:' .. ARGV[a + 1]))
  if holder == me or (holder == '' and ARGV[a + 2] == '1') then redis.call('DEL', key('key:' .. ARGV[a + 1])) end
end
`;

export const KEY_KINDS: SharedKinds<KeyOperation> = {
  'keys-take': {
    encode: ({ keys, leaseMs }) => [leaseMs, keys.length, ...keys],
    decode: (reply): KeysResult => {
      const [areTaken, seen] = reply as readonly [unknown, readonly unknown[]];
      return { areTaken: areTaken === 1, seen: seen.map(String) };
    },
    grows: true,
  },
  'key-seen': { encode: ({ key, windowMs }) => [key, windowMs], grows: false },
  'key-free': { encode: ({ key, wasSeen }) => [key, wasSeen ? '1' : ''], grows: false },
};
