-- Hangs people under their sponsors, whoever these were before.
--
-- History follows later, person by person; sizes rise and fall through pending-sizes.
--
-- KEYS  the common ten, moves, pending-sizes, then those that the plan names by index
-- ARGV  1 plan (msgpack): common fields (tree always set), and
--         links  list of {key of the person, person, sponsor (0 for none), pairs}
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
  local held = redis.call('HMGET', key, 'network_size', 'sponsor_id')
  local people = 1 + (held[1] or 0)
  if held[2] then redis.call('HINCRBY', sizes, held[2], -people) end
  if sponsor > 0 then
    redis.call('HSET', key, unpack(link[4]))
    redis.call('HINCRBY', sizes, sponsor, people)
  else
    redis.call('HDEL', key, 'sponsor_id')
  end
  log[i] = string.format('%.0f %.0f', person, sponsor)  -- '..' would round large ids
  queued[2 * i - 1], queued[2 * i] = person, plan.tree + i
end
redis.call('RPUSH', keys.forest, unpack(log))
redis.call('HSET', moves, unpack(queued))
redis.call('HSET', keys.state, 'applied_at', plan.now)
settle(keys, plan, KEYS)
return 'OK'
