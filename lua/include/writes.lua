-- Writes are collected while a script computes, and carried out once nothing can fail any more.

local function put(writes, command, key, arguments)
  if #arguments > 0 then writes[#writes + 1] = {command, key, arguments} end
end

-- Lua's unpack ends near 8,000 values, and an error behind the first write would leave half a chunk.
local SLICE = 4000

local function call_sliced(command, key, arguments)
  for first = 1, #arguments, SLICE do
    redis.call(command, key, unpack(arguments, first, math.min(first + SLICE - 1, #arguments)))
  end
end

local function carry_out(writes)
  for _, write in ipairs(writes) do
    if #write[3] == 0 then redis.call(write[1], write[2]) else call_sliced(write[1], write[2], write[3]) end
  end
end
