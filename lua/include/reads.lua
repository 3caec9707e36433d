-- What every read-only script has first: control and state among its keys, the generation and the configuration's
-- revision among its arguments. An answer is worked out under both, so one of another generation is refused.

-- nil while generation and configuration are those that the reader took, else the error reply of the script.
local function outdated(control, generation, config)
  local now = redis.call('HMGET', control, 'live', 'config')
  if now[1] ~= generation then return redis.error_reply('FATURE_GENERATION') end
  if (now[2] or '0') ~= config then return redis.error_reply('FATURE_CONFIG') end
  return nil
end

-- Last applied row and last finished run, of the same instant as the figures.
local function as_of(state)
  return redis.call('HMGET', state, 'applied_at', 'synced_at')
end

-- Whether a person is there, and under whom: what decides who may see them.
local function viewed(affiliate, own)
  return {redis.call('HGET', affiliate, 'rev'), redis.call('GET', own)}
end
