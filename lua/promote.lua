-- Turns pages of seen bets from sets into bitmaps.
--
-- KEYS  1 control, then pairs of bitmap and set
-- ARGV  generation, '1' for a rebuild's writer else '0', number of ids of a page
-- Returns OK
-- Errors  FATURE_GENERATION

local control = redis.call('HMGET', KEYS[1], 'live', 'building')
if control[ARGV[2] == '1' and 2 or 1] ~= ARGV[1] then return redis.error_reply('FATURE_GENERATION') end

for i = 2, #KEYS, 2 do
  if redis.call('EXISTS', KEYS[i]) == 0 then
    redis.call('SETBIT', KEYS[i], tonumber(ARGV[3]) - 1, 0)
    for _, offset in ipairs(redis.call('SMEMBERS', KEYS[i + 1])) do redis.call('SETBIT', KEYS[i], offset, 1) end
    redis.call('DEL', KEYS[i + 1])
  end
end
return 'OK'
