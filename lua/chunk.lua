-- Applies a chunk whole or refuses it whole: some players with all their rows of a window and every effect of them.
--
-- KEYS  the common ten, then those that the plan names by index
-- ARGV  1 plan (msgpack): common fields, and
--         seen      pages of bets that come in (include/seen.lua)
--         versions  list of {key, fields, expected (text or false), pairs}: versions of money rows
--         persons   list of {key, expected rev, pairs, gone fields, own key, own pairs, own gone days,
--                   streak key, runs (text, '' to delete, false to leave),
--                   cpa key, pairs ({} to delete, false to leave)}
--         records   list of {key, cell}: what ancestors' records gain
--         series    list of {key, periods, cells}: what ancestors' months and days gain
--         members   list of {command, key, arguments}: who is listed under an ancestor's level
--         money     true when the chunk holds money rows
-- Returns OK
-- Errors  FATURE_GENERATION, FATURE_CONFIG, FATURE_TREE, FATURE_SEEN (a row is in, or its version has changed),
--         FATURE_STALE and the index in persons (from 1) of each that moved, FATURE_OVERFLOW
--#include writes
--#include common
--#include cells
--#include figures
--#include seen

local keys, plan = common(KEYS), cmsgpack.unpack(ARGV[1])

local refusal = moved(keys, plan)
if refusal then return refusal end

local stale = {}
for i, person in ipairs(plan.persons) do
  if redis.call('HGET', KEYS[person[1]], 'rev') ~= person[2] then stale[#stale + 1] = i end
end
if #stale > 0 then return redis.error_reply('FATURE_STALE ' .. table.concat(stale, ' ')) end

for _, page in ipairs(plan.seen) do
  if not unseen(page, KEYS) then return redis.error_reply('FATURE_SEEN') end
end
for _, version in ipairs(plan.versions) do
  local held = redis.call('HMGET', KEYS[version[1]], unpack(version[2]))
  for i, expected in ipairs(version[3]) do
    if held[i] ~= expected then return redis.error_reply('FATURE_SEEN') end
  end
end

local writes = {}
for _, record in ipairs(plan.records) do
  if not add_record(writes, KEYS[record[1]], record[2]) then return redis.error_reply('FATURE_OVERFLOW') end
end
for _, series in ipairs(plan.series) do
  if not add_series(writes, KEYS[series[1]], series[2], series[3]) then return redis.error_reply('FATURE_OVERFLOW') end
end
for _, person in ipairs(plan.persons) do
  put(writes, 'HSET', KEYS[person[1]], person[3])
  put(writes, 'HDEL', KEYS[person[1]], person[4])
  put(writes, 'HSET', KEYS[person[5]], person[6])
  put(writes, 'HDEL', KEYS[person[5]], person[7])
  if person[9] == '' then
    writes[#writes + 1] = {'DEL', KEYS[person[8]], {}}
  elseif person[9] then
    writes[#writes + 1] = {'SET', KEYS[person[8]], {person[9]}}
  end
  if person[11] then
    writes[#writes + 1] = {'DEL', KEYS[person[10]], {}}
    put(writes, 'HSET', KEYS[person[10]], person[11])
  end
end
for _, version in ipairs(plan.versions) do put(writes, 'HSET', KEYS[version[1]], version[4]) end
for _, member in ipairs(plan.members) do put(writes, member[1], KEYS[member[2]], member[3]) end

for _, page in ipairs(plan.seen) do mark_seen(page, KEYS, keys.mask) end
carry_out(writes)
if plan.money then redis.call('HSET', keys.state, 'applied_at', plan.now, 'money_rows', 1) end
settle(keys, plan, KEYS)
return 'OK'
