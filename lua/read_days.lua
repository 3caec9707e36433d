-- Read-only: an affiliate's days, month by month, until there are enough.
--
-- KEYS  1 control, 2 state, 3 affiliate, 4 own state, 5 months, then the days of months, ascending
-- ARGV  1 generation, 2 revision of the configuration, 3 how many days are enough,
--       4 the months that the reader believes to be all there are, ascending, joined by spaces; '*' when it asks for
--         a range whatever there is
-- Returns {as_of, {rev, own state} of the affiliate, days, ...}; days as HGETALL gives them, for as many months as it took
-- Errors  FATURE_GENERATION, FATURE_CONFIG, FATURE_STALE when there are other months by now
--#include reads

local refusal = outdated(KEYS[1], ARGV[1], ARGV[2])
if refusal then return refusal end

if ARGV[4] ~= '*' then
  local months = redis.call('HKEYS', KEYS[5])
  table.sort(months)
  if table.concat(months, ' ') ~= ARGV[4] then return redis.error_reply('FATURE_STALE') end
end

local answer = {as_of(KEYS[2]), viewed(KEYS[3], KEYS[4])}
local wanted = tonumber(ARGV[3])
for i = 6, #KEYS do
  if wanted <= 0 then break end
  local days = redis.call('HGETALL', KEYS[i])
  answer[i - 3] = days
  wanted = wanted - #days / 2
end
return answer
