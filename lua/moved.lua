-- Takes roots off the queue of moves, each only while it was not queued again meanwhile.
--
-- KEYS  1 control, 2 moves
-- ARGV  generation, '1' for a rebuild's writer else '0', then pairs of root and the place it was queued with
-- Returns how many were taken off
-- Errors  FATURE_GENERATION

local control = redis.call('HMGET', KEYS[1], 'live', 'building')
if control[ARGV[2] == '1' and 2 or 1] ~= ARGV[1] then return redis.error_reply('FATURE_GENERATION') end

local taken = 0
for i = 3, #ARGV, 2 do
  if redis.call('HGET', KEYS[2], ARGV[i]) == ARGV[i + 1] then taken = taken + redis.call('HDEL', KEYS[2], ARGV[i]) end
end
return taken
