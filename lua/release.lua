-- Lets go of the boards, unless somebody else holds them by now.
--
-- KEYS  1 flush (the token)
-- ARGV  1 token
-- Returns how many keys were deleted

if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
