-- Applies a chunk whole or refuses it whole: some people with all their rows of a window and every effect of them.
--
-- What concerns the people themselves was decided in full and is only written, as long as each is still at the `rev`
-- it was decided from; what ancestors gain is added to whatever they have.
--
-- KEYS  the common ten; then as many as the plan counts of each: people's own states, people's own months,
--       affiliates' records, their months (in that order of affiliates), days of affiliates' months (in the order of
--       `months`); then those that the plan names by index
-- ARGV  1 plan (msgpack): common fields, and
--         counts       {states, own months, affiliates, days of months}
--         revs         the eight bytes that each state has to begin with, '' where there must be none
--         own          new states, then new own months ('' deletes)
--         records      a cell an affiliate: what its record gains
--         month_counts how many months each affiliate gains on; months, month_cells: which, and what
--         day_counts   how many days each of these months gains on; days, day_cells: which, and what
--         members      list of {command, key, arguments}: who is listed under an ancestor's level
--         seen         pages of bets that come in (include/seen.lua)
--         versions     list of {key, fields, expected (text or false), pairs}: versions of money rows
--         money        true when the chunk holds money rows
-- Returns OK
-- Errors  FATURE_GENERATION, FATURE_CONFIG, FATURE_TREE, FATURE_SEEN (a row is in, or its version has changed),
--         FATURE_STALE (somebody moved), FATURE_OVERFLOW
--#include writes
--#include common
--#include cells
--#include figures
--#include seen

local keys, plan = common(KEYS), cmsgpack.unpack(ARGV[1])

local refusal = moved(keys, plan)
if refusal then return refusal end

local states, own_months, affiliates = plan.counts[1], plan.counts[2], plan.counts[3]
local record_at = COMMON + states + own_months
local months_at = record_at + affiliates
local days_at = months_at + affiliates

if states > 0 then
  local held = redis.call('MGET', unpack(KEYS, COMMON + 1, COMMON + states))
  for i, rev in ipairs(plan.revs) do
    if string.sub(held[i] or '', 1, 8) ~= rev then return redis.error_reply('FATURE_STALE') end
  end
end
for _, page in ipairs(plan.seen) do
  if not unseen(page, KEYS, keys.mask) then return redis.error_reply('FATURE_SEEN') end
end
for _, version in ipairs(plan.versions) do
  local held = redis.call('HMGET', KEYS[version[1]], unpack(version[2]))
  for i, expected in ipairs(version[3]) do
    if held[i] ~= expected then return redis.error_reply('FATURE_SEEN') end
  end
end

local writes, month, day = {}, 1, 1
for i = 1, affiliates do
  if not add_record(writes, KEYS[record_at + i], plan.records[i]) then return redis.error_reply('FATURE_OVERFLOW') end
  local last = month + plan.month_counts[i] - 1
  if not add_series(writes, KEYS[months_at + i], plan.months, plan.month_cells, month, last) then
    return redis.error_reply('FATURE_OVERFLOW')
  end
  month = last + 1
end
for i, count in ipairs(plan.day_counts) do
  if not add_series(writes, KEYS[days_at + i], plan.days, plan.day_cells, day, day + count - 1) then
    return redis.error_reply('FATURE_OVERFLOW')
  end
  day = day + count
end

write_strings(KEYS, COMMON, plan.own)
carry_out(writes)
for _, version in ipairs(plan.versions) do call_sliced('HSET', KEYS[version[1]], version[4]) end
for _, member in ipairs(plan.members) do redis.call(member[1], KEYS[member[2]], unpack(member[3])) end
for _, page in ipairs(plan.seen) do mark_seen(page, KEYS, keys.mask) end
if plan.money then redis.call('HSET', keys.state, 'applied_at', plan.now, 'money_rows', 1) end
settle(keys, plan, KEYS)
return 'OK'
