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

-- Adds a cell to the decimal fields of an affiliate's hash.
local function add_record(writes, key, delta)
  local numbers, count = open_cell(delta)
  local names, n = {}, count / 2
  for i = 1, n do names[i] = RECORD[numbers[2 * i - 1] + 1] end
  local old = redis.call('HMGET', key, unpack(names))
  local set, filled, gone = {}, 0, nil
  for i = 1, n do
    local held = old[i]
    local sum = numbers[2 * i] + (held and tonumber(held) or 0)
    if not exact(sum) then return false end
    if sum == 0 then
      gone = gone or {}
      gone[#gone + 1] = names[i]
    else
      set[filled + 1], set[filled + 2], filled = names[i], sum, filled + 2
    end
  end
  if filled > 0 then put(writes, 'HSET', key, set) end
  if gone then put(writes, 'HDEL', key, gone) end
  return true
end

-- Adds cells to the periods of a day or month series.
local function add_series(writes, key, periods, deltas)
  local old = redis.call('HMGET', key, unpack(periods))
  local set, n, gone = {}, 0, nil
  for i = 1, #deltas do
    local sum = add_cells(old[i], deltas[i])
    if not sum then return false end
    if sum == '' then
      gone = gone or {}
      gone[#gone + 1] = periods[i]
    else
      set[n + 1], set[n + 2], n = periods[i], sum, n + 2
    end
  end
  if n > 0 then put(writes, 'HSET', key, set) end
  if gone then put(writes, 'HDEL', key, gone) end
  return true
end
