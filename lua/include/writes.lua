-- Writes are collected while a script computes, and carried out once nothing can fail any more.

-- Lua's unpack ends near 8,000 values, and an error behind the first write would leave half a chunk.
local SLICE = 4000

local function call_sliced(command, key, arguments)
  for first = 1, #arguments, SLICE do
    redis.call(command, key, unpack(arguments, first, math.min(first + SLICE - 1, #arguments)))
  end
end

-- `writes` is a flat list of command, key, arguments.
local function put(writes, command, key, arguments)
  if #arguments > 0 then
    local n = #writes
    writes[n + 1], writes[n + 2], writes[n + 3] = command, key, arguments
  end
end

local function carry_out(writes)
  for i = 1, #writes, 3 do call_sliced(writes[i], writes[i + 1], writes[i + 2]) end
end

-- Sets the strings behind `offset` in keys to the values given; '' deletes.
local function write_strings(keys, offset, values)
  local set, gone, n = {}, {}, 0
  for i, value in ipairs(values) do
    if value == '' then
      gone[#gone + 1] = keys[offset + i]
    else
      set[n + 1], set[n + 2], n = keys[offset + i], value, n + 2
    end
  end
  for first = 1, n, SLICE do redis.call('MSET', unpack(set, first, math.min(first + SLICE - 1, n))) end
  for first = 1, #gone, SLICE do redis.call('DEL', unpack(gone, first, math.min(first + SLICE - 1, #gone))) end
end
