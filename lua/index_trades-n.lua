-- Writes one batch of classified trades, or nothing: checks first, then writes, announces and acknowledges.
--
-- KEYS  1 prints   stream of prints
--       2 tape     stream of announced trades
--       3 owner    name of the indexer that owns the partition
--       4 clock    hash: seq, ts
--       5 counts   hash: outcomes by feed
--       then one key a new trade, one a changed trade, one a contract
-- ARGV  1 name of the caller       2 time to live of its ownership, ms
--       3 consumer group           4 seq before this batch, as the caller knows it
--       5 seq after this batch     6 newest exchange time of this batch, unix ms
--       7 length of the tape
--       8-12 how many: new trades, changed trades, contracts, acknowledged prints, counts
--       then for each new and each changed trade: document (JSON), announcement (MessagePack), time to live, ms
--       then for each changed trade: what it was before (MessagePack: side, sentiment, flags)
--       then for each contract: date (yyyymmdd), volume, open interest (empty if unknown), time to live, ms (0: as it is)
--       then the ids of the prints to acknowledge
--       then for each count: field, increment
-- Returns how many of the changed trades were still there to be rewritten.
-- Errors  NOTOWNER <owner>   the caller does not own the partition
--         STALE <n> ...      seq differs (no n), or the n-th new trades are indexed already; nothing was written

local prints, tape, owner, clock, counts = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local name, owner_ttl, group = ARGV[1], ARGV[2], ARGV[3]
local seq_before, seq_after, ts = ARGV[4], ARGV[5], ARGV[6]
local tape_length = ARGV[7]
local new_count, changed_count, contract_count = tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
local ack_count, count_count = tonumber(ARGV[11]), tonumber(ARGV[12])
local FIXED_KEYS, FIXED_ARGS = 5, 12

local holder = redis.call('GET', owner)
if holder ~= name then
  return redis.error_reply('NOTOWNER ' .. (holder or ''))
end
if (redis.call('HGET', clock, 'seq') or '0') ~= seq_before then
  return redis.error_reply('STALE')
end
local existing = {}
for i = 1, new_count do
  local key = KEYS[FIXED_KEYS + i]
  if redis.call('EXISTS', key) == 1 then
    existing[#existing + 1] = i
  end
end
if #existing > 0 then
  return redis.error_reply('STALE ' .. table.concat(existing, ' '))
end

-- JSON.MSET writes many documents for less than as many JSON.SET; Lua passes some 8,000 arguments at most.
local DOCUMENTS_AT_ONCE = 1000
local written, rewritten = {}, 0
local documents = {}
local arg = FIXED_ARGS
for i = 1, new_count + changed_count do
  local key = KEYS[FIXED_KEYS + i]
  local is_new = i <= new_count
  -- A changed trade that has expired stays away.
  if is_new or redis.call('EXISTS', key) == 1 then
    local n = #documents
    documents[n + 1], documents[n + 2], documents[n + 3] = key, '$', ARGV[arg + 1]
    written[#written + 1] = i
    if not is_new then
      rewritten = rewritten + 1
    end
    if #documents == 3 * DOCUMENTS_AT_ONCE then
      redis.call('JSON.MSET', unpack(documents))
      documents = {}
    end
  end
  arg = arg + 3
end
if #documents > 0 then
  redis.call('JSON.MSET', unpack(documents))
end
for _, i in ipairs(written) do
  local at = FIXED_ARGS + 3 * (i - 1)
  redis.call('PEXPIRE', KEYS[FIXED_KEYS + i], ARGV[at + 3])
  if i <= new_count then
    redis.call('XADD', tape, '*', 'd', ARGV[at + 2])
  else
    redis.call('XADD', tape, '*', 'd', ARGV[at + 2], 'w', ARGV[arg + i - new_count])
  end
end
arg = arg + changed_count
redis.call('XTRIM', tape, 'MAXLEN', '~', tape_length)

local contract_at = FIXED_KEYS + new_count + changed_count
for i = 1, contract_count do
  local key, interest = KEYS[contract_at + i], ARGV[arg + 3]
  if interest == '' then
    redis.call('HSET', key, 'date', ARGV[arg + 1], 'volume', ARGV[arg + 2])
  else
    redis.call('HSET', key, 'date', ARGV[arg + 1], 'volume', ARGV[arg + 2], 'open_interest', interest)
  end
  if ARGV[arg + 4] ~= '0' then
    redis.call('PEXPIRE', key, ARGV[arg + 4])
  end
  arg = arg + 4
end

if ack_count > 0 then
  redis.call('XACK', prints, group, unpack(ARGV, arg + 1, arg + ack_count))
  arg = arg + ack_count
end
for _ = 1, count_count do
  redis.call('HINCRBY', counts, ARGV[arg + 1], ARGV[arg + 2])
  arg = arg + 2
end

redis.call('HSET', clock, 'seq', seq_after)
if tonumber(ts) > tonumber(redis.call('HGET', clock, 'ts') or '0') then
  redis.call('HSET', clock, 'ts', ts)
end
redis.call('PEXPIRE', owner, owner_ttl)
return rewritten
