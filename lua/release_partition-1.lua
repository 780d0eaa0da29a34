-- Gives up the ownership of a partition, so that a standby need not wait for it to run out.
--
-- KEYS  1 owner   name of the indexer that owns the partition
-- ARGV  1 name of the caller
-- Returns 1 if the caller owned it, else 0.

local owner = KEYS[1]
local name = ARGV[1]

if redis.call('GET', owner) == name then
  return redis.call('DEL', owner)
end
return 0
