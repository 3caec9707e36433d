-- Adding a chunk's effects to its ancestors. Both functions return false when a number would no longer be exact.

-- Field of an affiliate's hash by slot + 1 (RECORD_FIELDS of fature_kv/domain/cells.py; a test compares them).
local RECORD = {
  'l1_referrals', 'l1_validated', 'l1_ftd', 'l1_deposits_cents', 'l1_bets_cents', 'l1_wins_cents', 'l1_cpa_cents',
  'l2_referrals', 'l2_validated', 'l2_ftd', 'l2_deposits_cents', 'l2_bets_cents', 'l2_wins_cents', 'l2_cpa_cents',
  'l3_referrals', 'l3_validated', 'l3_ftd', 'l3_deposits_cents', 'l3_bets_cents', 'l3_wins_cents', 'l3_cpa_cents',
  'l4_referrals', 'l4_validated', 'l4_ftd', 'l4_deposits_cents', 'l4_bets_cents', 'l4_wins_cents', 'l4_cpa_cents',
  'l5_referrals', 'l5_validated', 'l5_ftd', 'l5_deposits_cents', 'l5_bets_cents', 'l5_wins_cents', 'l5_cpa_cents',
  'total_referrals', 'total_validated_referrals', 'total_ftd', 'total_deposits_cents', 'total_bets_cents',
  'total_wins_cents', 'total_cpa_cents',
}

-- Adds a cell to the decimal fields of an affiliate's hash. `writes` is what carry_out takes.
local function add_record(writes, key, delta)
  local count = #delta / 8
  if count == 0 then return true end  -- what it gained it lost as well
  local names = {}
  for i = 1, count do names[i] = RECORD[byte(delta, 8 * i - 7) + 1] end
  local old, set, gone = redis.call('HMGET', key, unpack(names)), {}, nil
  for i = 1, count do
    local sum = unpack_bytes('<i7', delta, 8 * i - 6) + (old[i] or 0)
    if not exact(sum) then return false end
    if sum == 0 then
      gone = gone or {}
      gone[#gone + 1] = names[i]
    else
      local n = #set
      set[n + 1], set[n + 2] = names[i], sum
    end
  end
  put(writes, 'HSET', key, set)
  if gone then put(writes, 'HDEL', key, gone) end
  return true
end

-- Adds the cells from `first` to `last` to those periods of a day or month series.
local function add_series(writes, key, periods, deltas, first, last)
  if first == last then  -- by far the most frequent
    local sum = add_cells(redis.call('HGET', key, periods[first]), deltas[first])
    if sum == '' then put(writes, 'HDEL', key, {periods[first]}) else put(writes, 'HSET', key, {periods[first], sum}) end
    return sum
  end
  local old, set, gone = redis.call('HMGET', key, unpack(periods, first, last)), {}, {}
  for i = first, last do
    local sum, n = add_cells(old[i - first + 1], deltas[i]), #set
    if not sum then return false end
    if sum == '' then gone[#gone + 1] = periods[i] else set[n + 1], set[n + 2] = periods[i], sum end
  end
  put(writes, 'HSET', key, set)
  put(writes, 'HDEL', key, gone)
  return true
end
