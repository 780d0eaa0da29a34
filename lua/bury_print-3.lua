-- Moves a print that cannot be processed to the dead stream, and acknowledges it.
--
-- KEYS  1 prints   stream of prints
--       2 dead     stream of what could not be processed
--       3 counts   hash: outcomes by feed
-- ARGV  1 consumer group   2 id of the print's entry   3 length of the dead stream
--       4 reason   5 feed   6 kind (print or reference)   7 original bytes   8 now, unix ms
-- Returns the id of the dead entry, or false if the print was acknowledged before.

local prints, dead, counts = KEYS[1], KEYS[2], KEYS[3]
local group, entry, length = ARGV[1], ARGV[2], ARGV[3]
local reason, feed, kind, raw, at = ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8]

if redis.call('XACK', prints, group, entry) == 0 then
  return false
end
redis.call('HINCRBY', counts, feed .. ':dead', 1)
return redis.call('XADD', dead, 'MAXLEN', '~', length, '*',
  'reason', reason, 'feed', feed, 'kind', kind, 'raw', raw, 'at', at)
