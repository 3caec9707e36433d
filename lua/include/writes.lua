-- Writes are collected while a script computes, and carried out once nothing can fail any more.

local function put(writes, command, key, arguments)
  if #arguments > 0 then writes[#writes + 1] = {command, key, arguments} end
end

local function carry_out(writes)
  for _, write in ipairs(writes) do
    redis.call(write[1], write[2], unpack(write[3]))
  end
end
