-- Adding to cells: `value << 8 | slot` as little-endian i64, ascending slots, no zeros (fature_kv/domain/cells.py).

local LIMIT = 9007199254740991
local formats = {}

local function cell_format(n)
  local format = formats[n]
  if not format then
    format = '<' .. string.rep('Bi7', n)
    formats[n] = format
  end
  return format
end

-- The numbers of a cell as {slot, value, slot, value, ...} and how many values the table holds.
local function open_cell(cell)
  local n = #cell / 8
  return {struct.unpack(cell_format(n), cell)}, 2 * n
end

-- Whether a sum is still exact.
local function exact(sum)
  return sum <= LIMIT and sum >= -LIMIT
end

-- The sum of two cells, '' when nothing is left, nil when a number would no longer be exact.
local function add_cells(cell, delta)
  if not cell then return delta end
  if #cell == 16 and #delta == 16 then  -- bets and wins of one level: by far the most frequent
    local s1, v1, s2, v2 = struct.unpack('<Bi7Bi7', cell)
    local t1, w1, t2, w2 = struct.unpack('<Bi7Bi7', delta)
    if s1 == t1 and s2 == t2 then
      v1, v2 = v1 + w1, v2 + w2
      if not (exact(v1) and exact(v2)) then return nil end
      if v1 ~= 0 and v2 ~= 0 then return struct.pack('<Bi7Bi7', s1, v1, s2, v2) end
    end
  end
  local a, na = open_cell(cell)
  local b, nb = open_cell(delta)
  local sum, n, i, j = {}, 0, 1, 1
  while i <= na or j <= nb do
    local slot, value
    if j > nb or (i <= na and a[i] < b[j]) then
      slot, value, i = a[i], a[i + 1], i + 2
    elseif i > na or b[j] < a[i] then
      slot, value, j = b[j], b[j + 1], j + 2
    else
      slot, value, i, j = a[i], a[i + 1] + b[j + 1], i + 2, j + 2
      if not exact(value) then return nil end
    end
    if value ~= 0 then
      sum[n + 1], sum[n + 2], n = slot, value, n + 2
    end
  end
  if n == 0 then return '' end
  return struct.pack(cell_format(n / 2), unpack(sum, 1, n))
end
