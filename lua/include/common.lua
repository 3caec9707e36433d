-- The ten keys that every write script has first, and what each such script does with them.
--
-- A plan always carries: generation (text), building (true for a rebuild's writer), config (revision as text, or
-- false where no decision hangs on it), tree (length of the forest as number, or false), now (microseconds), unpark
-- (list of {field, index of the waits key or false}), unquarantine (list of fields), journal (list of {kind, data}, and
-- where it tells a manager's decision {kind, data, index of the decisions key, decision}), dirty (text or false), version
-- (text that no other write has).

local COMMON = 10

local function common(keys)
  return {
    control = keys[1], state = keys[2], forest = keys[3], dirty = keys[4], journal = keys[5],
    parked = keys[6], due = keys[7], quarantine = keys[8], ripe = keys[9], mask = keys[10],
  }
end

-- nil while what the plan was decided under still stands, else the error reply of the script.
local function moved(keys, plan)
  local control = redis.call('HMGET', keys.control, 'live', 'building', 'hold', 'config')
  if plan.building then
    if control[2] ~= plan.generation then return redis.error_reply('FATURE_GENERATION') end
  elseif control[1] ~= plan.generation or tonumber(control[3] or 0) > plan.now then
    return redis.error_reply('FATURE_GENERATION')
  end
  if plan.config and (control[4] or '0') ~= plan.config then return redis.error_reply('FATURE_CONFIG') end
  if plan.tree and redis.call('LLEN', keys.forest) ~= plan.tree then return redis.error_reply('FATURE_TREE') end
  return nil
end

-- What every applied plan leaves behind: released rows, cleared quarantine, the journal, marks for the boards, and
-- another version of all that can be read.
local function settle(keys, plan, all_keys)
  for _, row in ipairs(plan.unpark) do
    redis.call('HDEL', keys.parked, row[1])
    redis.call('ZREM', keys.due, row[1])
    if row[2] then redis.call('SREM', all_keys[row[2]], row[1]) end
  end
  call_sliced('HDEL', keys.quarantine, plan.unquarantine)
  for _, entry in ipairs(plan.journal) do
    local id = redis.call('XADD', keys.journal, '*', 'kind', entry[1], 'data', entry[2])
    if entry[3] then redis.call('HSET', all_keys[entry[3]], id, entry[4]) end
  end
  if plan.dirty then redis.call('RPUSH', keys.dirty, plan.dirty) end
  redis.call('HSET', keys.control, 'version', plan.version)
end
