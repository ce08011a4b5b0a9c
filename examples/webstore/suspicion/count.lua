-- Counts one answer to one client by several rules, and returns for each how
-- many of its kind there were within the window.
--
-- KEYS: a sorted set for each rule, of answers by their time.
-- ARGV: the time of this answer and the window, in microseconds, a name that no
-- other answer has, and for each rule how many make it suspicious.
--
-- A set keeps the newest answers, as many as the rule asks for: if all of those
-- are within the window, its number is full. So a flood does not fill Redis.
local now, window, member = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local counts = {}
for i, key in ipairs(KEYS) do
    redis.call('ZREMRANGEBYSCORE', key, '-inf', string.format('%.0f', now - window))
    redis.call('ZADD', key, ARGV[1], member)
    redis.call('ZREMRANGEBYRANK', key, 0, -tonumber(ARGV[3 + i]) - 1)
    redis.call('PEXPIRE', key, string.format('%.0f', window / 1000))
    counts[i] = redis.call('ZCARD', key)
end
return counts
