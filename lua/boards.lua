-- Writes scores to boards under a fencing token, so that a late flusher can't overwrite a newer score.
--
-- Scores are kept negated: ascending order of (score, member) is then descending figures with ascending ids.
--
-- KEYS  1 flush (the token), 2 dirty, 3 state, then boards
-- ARGV  1 token, 2 lifetime of the token (milliseconds), 3 how many marks are done with,
--       4 list (msgpack) of {index of the board, {score, member, ...}, {members to remove}}
-- Returns OK
-- Errors  FATURE_FENCED

if redis.call('GET', KEYS[1]) ~= ARGV[1] then return redis.error_reply('FATURE_FENCED') end
redis.call('PEXPIRE', KEYS[1], ARGV[2])

for _, board in ipairs(cmsgpack.unpack(ARGV[4])) do
  local key = KEYS[board[1]]
  if #board[2] > 0 then redis.call('ZADD', key, unpack(board[2])) end
  if #board[3] > 0 then redis.call('ZREM', key, unpack(board[3])) end
end

local done = tonumber(ARGV[3])
if done > 0 then
  redis.call('LTRIM', KEYS[2], done, -1)
  redis.call('HINCRBY', KEYS[3], 'flushed', done)
end
return 'OK'
