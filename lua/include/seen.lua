-- Which bets are in: a page of 32,768 ids is a set of offsets while they are few, a bitmap from then on.
--
-- A plan's page: {index of the bitmap's key, index of the set's key, offsets, mask}. `offsets` is a list of numbers
-- while the page is a set, else u16 packed; `mask` is false, or the same offsets as a bitmap where they are many.

local function packed_offset(offsets, i)
  local low, high = string.byte(offsets, i, i + 1)
  return low + 256 * high
end

-- Whether none of the page's offsets is in, and the page still has the form that the plan took it to have.
local function unseen(page, keys)
  local bitmap, offsets = keys[page[1]], page[3]
  if type(offsets) == 'table' then
    if redis.call('EXISTS', bitmap) == 1 then return false end
    for _, known in ipairs(redis.call('SMISMEMBER', keys[page[2]], unpack(offsets))) do
      if known == 1 then return false end
    end
    return true
  end
  local bits = redis.call('GET', bitmap)
  if not bits then return false end
  for i = 1, #offsets, 2 do
    local offset = packed_offset(offsets, i)
    local byte = string.byte(bits, math.floor(offset / 8) + 1)
    if byte and byte > 0 and bit.band(byte, bit.rshift(128, offset % 8)) ~= 0 then return false end
  end
  return true
end

local function mark_seen(page, keys, scratch)
  local bitmap, offsets, mask = keys[page[1]], page[3], page[4]
  if type(offsets) == 'table' then
    redis.call('SADD', keys[page[2]], unpack(offsets))
  elseif mask then
    redis.call('SET', scratch, mask)
    redis.call('BITOP', 'OR', bitmap, bitmap, scratch)
    redis.call('DEL', scratch)
  else
    local commands, n = {}, 0
    for i = 1, #offsets, 2 do
      commands[n + 1], commands[n + 2], commands[n + 3], commands[n + 4] = 'SET', 'u1', packed_offset(offsets, i), 1
      n = n + 4
    end
    redis.call('BITFIELD', bitmap, unpack(commands))
  end
end
