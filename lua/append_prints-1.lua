-- Appends a batch to the prints stream, unless the indexer is too far behind.
--
-- KEYS[1]  stream of prints
-- ARGV[1]  limit of the backlog, entries: at or above it nothing is appended
-- ARGV[2]  consumer group whose unacknowledged entries are the backlog
-- ARGV[3..] field name (`d` print, `r` reference data) and its payload, alternating; one entry each
--
-- Returns {entries appended: all or 0, backlog before the call}.
-- Errors: BADARGS, an odd number of fields and payloads.

local prints = KEYS[1]
local limit = tonumber(ARGV[1])
local group = ARGV[2]
local FIRST = 3

if not limit or #ARGV < FIRST - 1 or (#ARGV - FIRST + 1) % 2 ~= 0 then
  return redis.error_reply('BADARGS expected limit, group, then pairs of field and payload; got ' .. #ARGV)
end

-- A reply of XINFO GROUPS is a flat list of names and values for each group.
local function value_of(info, name)
  for i = 1, #info - 1, 2 do
    if info[i] == name then return info[i + 1] end
  end
end

-- Entries that the group has not acknowledged. Redis does not know the lag (nil) after entries were deleted from
-- the middle: then, and without the group, the whole stream counts, which is never too little.
local function backlog_of()
  local groups = redis.pcall('XINFO', 'GROUPS', prints)
  if not groups.err then
    for _, info in ipairs(groups) do
      if value_of(info, 'name') == group then
        local lag = value_of(info, 'lag')
        if lag then return lag + value_of(info, 'pending') end
      end
    end
  end
  return redis.call('XLEN', prints)
end

local backlog = backlog_of()
if backlog >= limit then return {0, backlog} end

local appended = 0
for i = FIRST, #ARGV, 2 do
  redis.call('XADD', prints, '*', ARGV[i], ARGV[i + 1])
  appended = appended + 1
end
return {appended, backlog}
