-- Moves a tenant between generations: opens one to build, holds writers for a moment, swaps, or gives up.
--
-- A hold ends by itself, so that a rebuild killed in the middle stops nobody for long.
--
-- KEYS  1 control, 2 journal, 3 state of the live generation, 4 state of the building one, 5 decisions
-- ARGV  1 step:
--         open     2 number of the generation to build, greater than any before: nobody else ever writes there;
--                  whoever built before finds itself refused
--         hold     2 number, 3 instant (microseconds) until which writers wait
--         release  2 number; writers go on
--         swap     2 number, 3 id of the last journal entry that was folded, 4 revision of the configuration it was
--                  folded under; puts it in the place of the live one. A decision that the new one follows already
--                  is told by 5 kind and 6 data of its journal entry, 7 the decision
--         abandon  2 number
-- Returns OK; for swap also MOVED, when the journal has grown since: fold the rest first
-- Errors  FATURE_GENERATION when another rebuild took over, FATURE_CONFIG when the configuration moved

local control, journal, live_state, state = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local step, number = ARGV[1], ARGV[2]

if step == 'open' then
  local opened = tonumber(redis.call('HGET', control, 'opened') or 0)
  if tonumber(number) <= opened then return redis.error_reply('FATURE_GENERATION') end
  redis.call('HSET', control, 'building', number, 'opened', number)
  return 'OK'
end
if redis.call('HGET', control, 'building') ~= number then return redis.error_reply('FATURE_GENERATION') end

if step == 'hold' then
  redis.call('HSET', control, 'hold', ARGV[3])
elseif step == 'release' then
  redis.call('HDEL', control, 'hold')
elseif step == 'abandon' then
  redis.call('HDEL', control, 'hold', 'building')
elseif step == 'swap' then
  if (redis.call('HGET', control, 'config') or '0') ~= ARGV[4] then return redis.error_reply('FATURE_CONFIG') end
  local last = redis.call('XREVRANGE', journal, '+', '-', 'COUNT', 1)
  if #last > 0 and last[1][1] ~= ARGV[3] then return 'MOVED' end
  local fresh = redis.call('HMGET', live_state, 'applied_at', 'synced_at')
  for i, field in ipairs({'applied_at', 'synced_at'}) do
    if fresh[i] then redis.call('HSET', state, field, fresh[i]) end
  end
  if ARGV[5] then
    redis.call('HSET', KEYS[5], redis.call('XADD', journal, '*', 'kind', ARGV[5], 'data', ARGV[6]), ARGV[7])
  end
  redis.call('HSET', control, 'live', number)
  redis.call('HDEL', control, 'hold', 'building', 'owes_rebuild')
end
return 'OK'
