-- Which bets are in: a page of 32,768 ids is a set of offsets while they are few, a bitmap from then on.
--
-- A plan's page: {index of the bitmap's key, index of the set's key, offsets, mask, whether it is a set}. `mask` is
-- the offsets as a bitmap where they are many, and `offsets` false then; else it is false.

-- `GET u1 offset ...` or `SET u1 offset 1 ...` for BITFIELD.
local function bit_commands(offsets, value)
  local words, n = {}, 0
  for _, offset in ipairs(offsets) do
    words[n + 1], words[n + 2], words[n + 3] = value and 'SET' or 'GET', 'u1', offset
    n = n + 3
    if value then
      n = n + 1
      words[n] = value
    end
  end
  return words
end

-- Whether none of the page's offsets is in, and the page still has the form that the plan took it to have.
local function unseen(page, keys, scratch)
  local bitmap, set, offsets, mask = keys[page[1]], keys[page[2]], page[3], page[4]
  if mask then
    redis.call('SET', scratch, mask)
    redis.call('BITOP', 'AND', scratch, scratch, bitmap)
    local known = redis.call('BITCOUNT', scratch)
    redis.call('DEL', scratch)
    return known == 0 and redis.call('EXISTS', bitmap) == 1
  end
  local is_bitmap = redis.call('EXISTS', bitmap) == 1
  if is_bitmap == page[5] then return false end
  local known
  if is_bitmap then
    known = redis.call('BITFIELD_RO', bitmap, unpack(bit_commands(offsets)))
  else
    known = redis.call('SMISMEMBER', set, unpack(offsets))
  end
  for _, bit in ipairs(known) do
    if bit == 1 then return false end
  end
  return true
end

local function mark_seen(page, keys, scratch)
  local bitmap, set, offsets, mask = keys[page[1]], keys[page[2]], page[3], page[4]
  if mask then
    redis.call('SET', scratch, mask)
    redis.call('BITOP', 'OR', bitmap, bitmap, scratch)
    redis.call('DEL', scratch)
  elseif page[5] then
    redis.call('SADD', set, unpack(offsets))
  else
    redis.call('BITFIELD', bitmap, unpack(bit_commands(offsets, 1)))
  end
end
