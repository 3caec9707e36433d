-- Read-only: who stands on a level of an affiliate, by ascending id, some at a time.
--
-- KEYS  1 control, 2 state, 3 affiliate, 4 own state, then sets of members
-- ARGV  1 generation, 2 revision of the configuration, 3 the id to begin behind, 4 how many of each set
-- Returns {as_of, {rev, own state} of the affiliate, members of a set, ...}
-- Errors  FATURE_GENERATION, FATURE_CONFIG
--#include reads

local refusal = outdated(KEYS[1], ARGV[1], ARGV[2])
if refusal then return refusal end

local answer = {as_of(KEYS[2]), viewed(KEYS[3], KEYS[4])}
for i = 5, #KEYS do
  answer[i - 2] = redis.call('ZRANGEBYSCORE', KEYS[i], '(' .. ARGV[3], '+inf', 'LIMIT', 0, ARGV[4])
end
return answer
