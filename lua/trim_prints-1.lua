-- Removes processed prints once the stream is longer than it need be; never one that is not acknowledged.
--
-- KEYS  1 prints   stream of prints
-- ARGV  1 consumer group   2 length from which to trim
-- Returns how many entries were removed.

local prints = KEYS[1]
local group, length = ARGV[1], tonumber(ARGV[2])

if redis.call('XLEN', prints) <= length then
  return 0
end
local pending = redis.call('XPENDING', prints, group)
if pending[1] > 0 then
  return redis.call('XTRIM', prints, 'MINID', '~', pending[2])
end
for _, info in ipairs(redis.call('XINFO', 'GROUPS', prints)) do
  local fields = {}
  for i = 1, #info, 2 do
    fields[info[i]] = info[i + 1]
  end
  if fields['name'] == group then
    return redis.call('XTRIM', prints, 'MINID', '~', fields['last-delivered-id'])
  end
end
return 0
