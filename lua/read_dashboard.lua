-- Read-only: all that a person's dashboard shows, of one instant, with the ranks of the boards given.
--
-- A rank is one more than the number of strictly greater figures; boards hold figures negated (lua/boards.lua).
--
-- KEYS  1 control, 2 state, 3 affiliate, 4 personal, 5 months, 6 own state, 7 days of the month, then boards
-- ARGV  1 generation, 2 revision of the configuration, 3 day of the month ('20'), 4 the person as a board's member
-- Returns {as_of, affiliate, personal, months, own state or nil, cell of the day or nil, rank or 0 of each board}
-- Errors  FATURE_GENERATION, FATURE_CONFIG
--#include reads

local refusal = outdated(KEYS[1], ARGV[1], ARGV[2])
if refusal then return refusal end

local ranks, member = {}, ARGV[4]
for i = 8, #KEYS do
  local score = redis.call('ZSCORE', KEYS[i], member)
  ranks[i - 7] = score and redis.call('ZCOUNT', KEYS[i], '-inf', '(' .. score) + 1 or 0
end
return {
  as_of(KEYS[2]),
  redis.call('HGETALL', KEYS[3]),
  redis.call('HGETALL', KEYS[4]),
  redis.call('HGETALL', KEYS[5]),
  redis.call('GET', KEYS[6]),
  redis.call('HGET', KEYS[7], ARGV[3]),
  ranks,
}
