-- Takes units of one limit, whose numbers stand in a line above this one:
--
--   local rate, depth, unit = 1, 12000000, 600000
--
-- The arithmetic is that of bucket.go; every number is an integer below 2^53.
--
-- KEYS[1]  the state: 16 digits of microseconds, then the backlog then
-- ARGV     none, or: what to put on the backlog, if it is not one unit; how many units
--          more to lease; the time in microseconds, if it is not to be this server's
--
-- Returns the backlog before. What was put on it follows from that (bucket.taken).
--
-- Redis does nothing else meanwhile. So numbers that never change are no arguments,
-- each of which costs 0.2 µs; what is text becomes a number once, by being reckoned
-- with; and %d makes text of numbers, which is a fifth of a microsecond faster than
-- %.0f, and 64 bits wide where the server is.

local call, format, sub = redis.call, string.format, string.sub
local charge, ahead, now = ARGV[1] or unit, ARGV[2], ARGV[3]
if now then
  now = now + 0
else
  local time = call('TIME')
  now = time[1] * 1000000 + time[2]
end

local backlog = 0
local state = call('GET', KEYS[1])
if state then
  local elapsed = now - sub(state, 1, 16)
  backlog = sub(state, 17) + 0
  if elapsed > 0 then
    backlog = backlog - elapsed * rate
    if backlog < 0 then
      backlog = 0
    end
  elseif elapsed < 0 then
    -- The clock was set back: nothing would come back until it is there again.
    call('PSETEX', KEYS[1], format('%d', math.ceil(backlog / rate / 1000)), format('%d%d', now, backlog))
  end
end

local after = backlog + charge
if after <= depth then
  if ahead then
    -- A lease leaves half of what remains to others.
    after = after + unit * math.min(ahead, math.floor((depth - after) / unit / 2))
  end
  call('PSETEX', KEYS[1], format('%d', math.ceil(after / rate / 1000)), format('%d%d', now, after))
end
return backlog
