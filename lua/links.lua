-- Hangs people under their sponsors. History follows later, person by person; sizes rise through pending-sizes.
--
-- KEYS  the common ten, moves, pending-sizes, then those that the plan names by index
-- ARGV  1 plan (msgpack): common fields (tree always set), and
--         links  list of {key of the person, person, sponsor, pairs}
-- Returns OK
-- Errors  FATURE_GENERATION, FATURE_TREE
--#include writes
--#include common

local keys, plan = common(KEYS), cmsgpack.unpack(ARGV[1])
local moves, sizes = KEYS[COMMON + 1], KEYS[COMMON + 2]

local refusal = moved(keys, plan)
if refusal then return refusal end

local log, queued = {}, {}
for i, link in ipairs(plan.links) do
  local key, person, sponsor = KEYS[link[1]], link[2], link[3]
  local size = tonumber(redis.call('HGET', key, 'network_size') or 0)
  redis.call('HSET', key, unpack(link[4]))
  redis.call('HINCRBY', sizes, sponsor, 1 + size)
  log[i] = string.format('%.0f %.0f', person, sponsor)  -- '..' would round large ids
  queued[2 * i - 1], queued[2 * i] = person, plan.tree + i
end
redis.call('RPUSH', keys.forest, unpack(log))
redis.call('HSET', moves, unpack(queued))
redis.call('HSET', keys.state, 'applied_at', plan.now)
settle(keys, plan, KEYS)
return 'OK'
