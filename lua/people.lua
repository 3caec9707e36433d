-- Creates or updates people from rows of `cadastro`; rows parked on somebody new become ripe.
--
-- KEYS  the common ten, inactive, then those that the plan names by index
-- ARGV  1 plan (msgpack): common fields, and
--         people  list of {key, expected rev or false, pairs, personal key, personal pairs, waits key, id,
--                 gone fields, whether active}
-- Returns OK
-- Errors  FATURE_GENERATION, FATURE_STALE and the index in people (from 1) of each that moved
--#include writes
--#include common

local keys, plan = common(KEYS), cmsgpack.unpack(ARGV[1])

local refusal = moved(keys, plan)
if refusal then return refusal end

local stale = {}
for i, person in ipairs(plan.people) do
  if redis.call('HGET', KEYS[person[1]], 'rev') ~= person[2] then stale[#stale + 1] = i end
end
if #stale > 0 then return redis.error_reply('FATURE_STALE ' .. table.concat(stale, ' ')) end

for _, person in ipairs(plan.people) do
  redis.call('HSET', KEYS[person[1]], unpack(person[3]))
  if #person[8] > 0 then redis.call('HDEL', KEYS[person[1]], unpack(person[8])) end
  redis.call(person[9] and 'SREM' or 'SADD', KEYS[COMMON + 1], person[7])
  redis.call('DEL', KEYS[person[4]])
  if #person[5] > 0 then redis.call('HSET', KEYS[person[4]], unpack(person[5])) end
  if not person[2] and redis.call('EXISTS', KEYS[person[6]]) == 1 then redis.call('SADD', keys.ripe, person[7]) end
end
redis.call('HSET', keys.state, 'applied_at', plan.now)
settle(keys, plan, KEYS)
return 'OK'
