-- Takes back an order that buy.lua counted.
local order, cents = ARGV[1], ARGV[2]
local latest = redis.call('HGET', KEYS[1], 'recent_orders') or ''
local i = string.find(latest, '+' .. order .. ' ', 1, true)
if not i then
	return 0
end
redis.call('HSET', KEYS[1], 'recent_orders', string.sub(latest, 1, i - 1) .. '-' .. string.sub(latest, i + 1))
redis.call('HINCRBY', KEYS[1], 'total_spend', -cents)
redis.call('HINCRBY', KEYS[1], 'order_count', -1)
return 1
