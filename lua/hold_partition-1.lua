-- Takes or keeps the ownership of a partition.
--
-- KEYS  1 owner   name of the indexer that owns the partition
-- ARGV  1 name of the caller   2 time to live of its ownership, ms
-- Returns the name of the owner after the call: the caller's if it may go on.

local owner = KEYS[1]
local name, ttl = ARGV[1], ARGV[2]

local holder = redis.call('GET', owner)
if holder and holder ~= name then
  return holder
end
redis.call('SET', owner, name, 'PX', ttl)
return name
