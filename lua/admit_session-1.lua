-- Lets a session of a user in, unless the user has as many as allowed.
--
-- KEYS  1 connections   sorted set: sessions of one user by the time at which they lapse, unix ms
-- ARGV  1 session   2 now, unix ms   3 how long the session lasts unless it is renewed, ms   4 sessions allowed
-- Returns 1 if the session is in, also if it was already; 0 if there are too many.

local connections = KEYS[1]
local session, now, lease, limit = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])

redis.call('ZREMRANGEBYSCORE', connections, '-inf', now)
if redis.call('ZCARD', connections) >= limit and not redis.call('ZSCORE', connections, session) then
  return 0
end
redis.call('ZADD', connections, now + lease, session)
redis.call('PEXPIRE', connections, lease)
return 1
