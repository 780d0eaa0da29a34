-- Puts a dead print back on the prints stream, as if it had just come.
--
-- KEYS  1 dead     stream of what could not be processed
--       2 prints   stream of prints
-- ARGV  1 id of the dead entry   2 field on the prints stream: d (print) or r (reference data)   3 its bytes
-- Returns 1, or 0 if the entry is no longer there.

local dead, prints = KEYS[1], KEYS[2]
local entry, field, payload = ARGV[1], ARGV[2], ARGV[3]

if redis.call('XDEL', dead, entry) == 0 then
  return 0
end
redis.call('XADD', prints, '*', field, payload)
return 1
