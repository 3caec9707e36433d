-- Passes pending network sizes one step up: into the person's own, and on to the pending size of the present sponsor.
--
-- KEYS  1 control, 2 pending-sizes, then the affiliate key of each person
-- ARGV  generation, '1' for a rebuild's writer else '0', a version that no other write has, then the people, deepest
--       first
-- Returns how many people took something
-- Errors  FATURE_GENERATION

local control = redis.call('HMGET', KEYS[1], 'live', 'building')
if control[ARGV[2] == '1' and 2 or 1] ~= ARGV[1] then return redis.error_reply('FATURE_GENERATION') end

local pending, taken = KEYS[2], 0
for i = 4, #ARGV do
  local waiting = redis.call('HGET', pending, ARGV[i])
  if waiting then
    if redis.call('HINCRBY', KEYS[i - 1], 'network_size', waiting) == 0 then redis.call('HDEL', KEYS[i - 1], 'network_size') end
    local sponsor = redis.call('HGET', KEYS[i - 1], 'sponsor_id')
    if sponsor then redis.call('HINCRBY', pending, sponsor, waiting) end
    taken = taken + 1
    -- The key goes with its last field; in a slot that is being moved it can't be touched after that.
    local last = redis.call('HLEN', pending) == 1
    redis.call('HDEL', pending, ARGV[i])
    if last then break end
  end
end
if taken > 0 then redis.call('HSET', KEYS[1], 'version', ARGV[3]) end
return taken
