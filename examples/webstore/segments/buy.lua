-- Counts an order, unless it is one of the customer's latest already: there a "+"
-- stands before an order that counts, a "-" before one that was refunded.
local order, cents, at, kept = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local latest = redis.call('HGET', KEYS[1], 'recent_orders') or ''
if string.find(latest, '+' .. order .. ' ', 1, true) or string.find(latest, '-' .. order .. ' ', 1, true) then
	return 0
end
-- Eight of them: an order's id has 36 bytes.
redis.call('HSET', KEYS[1], 'recent_orders', string.sub('+' .. order .. ' ' .. latest, 1, 8 * 38))
redis.call('HINCRBY', KEYS[1], 'total_spend', cents)
redis.call('HINCRBY', KEYS[1], 'order_count', 1)
redis.call('HSETNX', KEYS[1], 'last_activity', at) -- Redis was away when the customer checked out
redis.call('EXPIRE', KEYS[1], kept)
return 1
