-- Parks rows that came too early, and puts bad ones into quarantine.
--
-- A row that waits on a person is parked only while that person is not there: absence is checked here, where it
-- can't change any more.
--
-- KEYS  the common ten, then those that the plan names by index
-- ARGV  1 plan (msgpack): common fields, and
--         parked       list of {field, row, waits key or false, affiliate key or false, due (milliseconds) or false}
--         quarantined  list of {field, entry}
--         limits       {parked, quarantined}: how many the tenant may hold of each
-- Returns the index (from 1) of every row whose person is there by now; when there is one, nothing was done
-- Errors  FATURE_GENERATION, FATURE_FULL and 'parked' or 'quarantine'
--#include writes
--#include common

local keys, plan = common(KEYS), cmsgpack.unpack(ARGV[1])

local refusal = moved(keys, plan)
if refusal then return refusal end

local present = {}
for i, row in ipairs(plan.parked) do
  if row[4] and redis.call('EXISTS', KEYS[row[4]]) == 1 then present[#present + 1] = i end
end
if #present > 0 then return present end

local function over(key, rows, limit)
  local more = 0
  for _, row in ipairs(rows) do
    if redis.call('HEXISTS', key, row[1]) == 0 then more = more + 1 end
  end
  return more > 0 and redis.call('HLEN', key) + more > limit
end
if over(keys.parked, plan.parked, plan.limits[1]) then return redis.error_reply('FATURE_FULL parked') end
if over(keys.quarantine, plan.quarantined, plan.limits[2]) then return redis.error_reply('FATURE_FULL quarantine') end

-- A row that waits on somebody else now leaves its old place first.
settle(keys, plan, KEYS)
for _, row in ipairs(plan.parked) do
  redis.call('HSET', keys.parked, row[1], row[2])
  if row[3] then redis.call('SADD', KEYS[row[3]], row[1]) end
  if row[5] then redis.call('ZADD', keys.due, row[5], row[1]) end
end
for _, row in ipairs(plan.quarantined) do redis.call('HSET', keys.quarantine, row[1], row[2]) end
return {}
