-- Keeps a token under the digest of its text, and journals it.
--
-- KEYS  1 token, 2 journal
-- ARGV  1 kind and 2 data of the journal entry, 3 unix milliseconds at which it expires or '', then pairs for the token
-- Returns OK
-- Errors  FATURE_EXISTS when there is such a token; nothing was done

local token, journal = KEYS[1], KEYS[2]
local kind, data, expires = ARGV[1], ARGV[2], ARGV[3]

if redis.call('EXISTS', token) == 1 then return redis.error_reply('FATURE_EXISTS') end

redis.call('HSET', token, unpack(ARGV, 4))
if expires ~= '' then redis.call('PEXPIREAT', token, expires) end
redis.call('XADD', journal, '*', 'kind', kind, 'data', data)
return 'OK'
