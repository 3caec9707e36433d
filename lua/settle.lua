-- Journals, releases parked rows that turned out to need nothing, and clears quarantine; touches no figure.
--
-- KEYS  the common ten, then those that the plan names by index
-- ARGV  1 plan (msgpack): common fields, and state (pairs for the generation's state)
-- Returns OK
-- Errors  FATURE_GENERATION
--#include writes
--#include common

local keys, plan = common(KEYS), cmsgpack.unpack(ARGV[1])

local refusal = moved(keys, plan)
if refusal then return refusal end

if #plan.state > 0 then redis.call('HSET', keys.state, unpack(plan.state)) end
settle(keys, plan, KEYS)
return 'OK'
