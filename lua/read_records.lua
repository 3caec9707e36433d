-- Read-only: records of people, each whole, all of one instant.
--
-- KEYS  1 control, 2 state, then the records
-- ARGV  1 generation, 2 revision of the configuration, 3 a letter a record: h hash, s string
-- Returns {as_of, record, ...}; a hash as HGETALL gives it, empty when absent; a string or nil
-- Errors  FATURE_GENERATION, FATURE_CONFIG
--#include reads

local refusal = outdated(KEYS[1], ARGV[1], ARGV[2])
if refusal then return refusal end

local answer, letters = {as_of(KEYS[2])}, ARGV[3]
for i = 3, #KEYS do
  local command = string.sub(letters, i - 2, i - 2) == 's' and 'GET' or 'HGETALL'
  answer[i - 1] = redis.call(command, KEYS[i])
end
return answer
