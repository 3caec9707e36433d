-- Adding to cells: `value << 8 | slot` as little-endian i64, ascending slots, no zeros (fature_kv/domain/cells.py).

local LIMIT = 9007199254740991
local byte, sub, pack_bytes, unpack_bytes = string.byte, string.sub, struct.pack, struct.unpack

-- Whether a sum is still exact.
local function exact(sum)
  return sum <= LIMIT and sum >= -LIMIT
end

-- The sum of two cells, '' when nothing is left, nil when a number would no longer be exact. Numbers are put in by
-- cutting the text: gains are small, and tables of all numbers cost several times as much.
local function add_cells(cell, delta)
  if not cell then return delta end
  local at = 1
  for i = 1, #delta, 8 do
    local slot, held = byte(delta, i), byte(cell, at)
    while held and held < slot do
      at = at + 8
      held = byte(cell, at)
    end
    if held == slot then
      local sum = unpack_bytes('<i7', cell, at + 1) + unpack_bytes('<i7', delta, i + 1)
      if not exact(sum) then return nil end
      if sum == 0 then
        cell = sub(cell, 1, at - 1) .. sub(cell, at + 8)
      else
        cell = sub(cell, 1, at) .. pack_bytes('<i7', sum) .. sub(cell, at + 8)
        at = at + 8
      end
    else
      cell = sub(cell, 1, at - 1) .. sub(delta, i, i + 7) .. sub(cell, at)
      at = at + 8
    end
  end
  return cell
end
