-- Read-only: a page of a board, or the neighbours of one person on it.
--
-- KEYS  1 control, 2 state, 3 board, then for neighbours 4 affiliate, 5 own state
-- ARGV  1 generation, 2 revision of the configuration, then for a page 3 offset, 4 limit,
--       or for neighbours 3 the person as a board's member, 4 radius
-- Returns {as_of, total, offset of the page, how many figures are strictly greater than its first, page,
--         {rev, own state} of the affiliate}; the page as ZRANGE WITHSCORES gives it, empty where the person is not listed
-- Errors  FATURE_GENERATION, FATURE_CONFIG
--#include reads

local refusal = outdated(KEYS[1], ARGV[1], ARGV[2])
if refusal then return refusal end

local board, person = KEYS[3], {}
local first, last = 0, -1
if KEYS[4] then
  person = viewed(KEYS[4], KEYS[5])
  local place, radius = redis.call('ZRANK', board, ARGV[3]), tonumber(ARGV[4])
  if place then first, last = math.max(0, place - radius), place + radius end
else
  first = tonumber(ARGV[3])
  last = first + tonumber(ARGV[4]) - 1
end

local page = last >= first and redis.call('ZRANGE', board, first, last, 'WITHSCORES') or {}
local ahead = page[2] and redis.call('ZCOUNT', board, '-inf', '(' .. page[2]) or 0
return {as_of(KEYS[2]), redis.call('ZCARD', board), first, ahead, page, person}
