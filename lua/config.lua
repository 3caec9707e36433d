-- Adds a version of the commission configuration, while what its first day was decided on still stands.
--
-- Chunks carry the revision that they were decided under, so none that was decided before this call applies after it.
--
-- KEYS  1 control, 2 state of the live generation, 3 config, 4 journal
-- ARGV  1 live generation, 2 revision expected, 3 '1' when the tenant was seen to have money rows else '0',
--       4 the new revision, 5 the version (JSON), 6 kind and 7 data of the journal entry,
--       8 now (microseconds), 9 '1' when figures need a rebuild to follow it, which `control` tells until one swapped
-- Returns OK
-- Errors  FATURE_GENERATION, FATURE_CONFIG when the revision moved or the first money row came; nothing was done

local control, state, config, journal = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local generation, expected, money_rows = ARGV[1], ARGV[2], ARGV[3]
local revision, version, kind, data = ARGV[4], ARGV[5], ARGV[6], ARGV[7]

local now = redis.call('HMGET', control, 'live', 'hold', 'config')
local held = tonumber(now[2] or 0) > tonumber(ARGV[8])
if now[1] ~= generation or held then return redis.error_reply('FATURE_GENERATION') end
if (now[3] or '0') ~= expected then return redis.error_reply('FATURE_CONFIG revision') end
local has_money = redis.call('HGET', state, 'money_rows') == '1' and '1' or '0'
if has_money ~= money_rows then return redis.error_reply('FATURE_CONFIG money_rows') end

redis.call('HSET', config, revision, version)
redis.call('HSET', control, 'config', revision)
if ARGV[9] == '1' then redis.call('HSET', control, 'owes_rebuild', '1') end
redis.call('XADD', journal, '*', 'kind', kind, 'data', data)
return 'OK'
