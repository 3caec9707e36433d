-- Creates a tenant: its profile, its control hash with generation 1 live, and the journal's entry of it.
--
-- The list of all tenants lies in another slot of a cluster, so the caller adds the slug to it afterwards.
--
-- KEYS  1 profile, 2 control, 3 journal
-- ARGV  1 kind and 2 data of the journal entry, then pairs for the profile
-- Returns OK
-- Errors  FATURE_EXISTS when there is such a tenant; nothing was done

local profile, control, journal = KEYS[1], KEYS[2], KEYS[3]
local kind, data = ARGV[1], ARGV[2]

if redis.call('EXISTS', profile) == 1 then return redis.error_reply('FATURE_EXISTS') end

redis.call('HSET', profile, unpack(ARGV, 3))
redis.call('HSET', control, 'live', '1')
redis.call('XADD', journal, '*', 'kind', kind, 'data', data)
return 'OK'
