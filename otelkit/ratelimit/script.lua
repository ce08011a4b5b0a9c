-- Takes units of one or several limits, all or nothing. The arithmetic is that of
-- bucket.go; every number is an integer below 2^53.
--
-- KEYS[i]  the state of limit i: 16 digits of microseconds, then the backlog then
-- ARGV     of each limit: rate; depth (negated in shadow mode); what to put on the
--          backlog (below 0: to give back); unit; how many units more to lease.
--          At the end the time in microseconds, if it is not to be this server's
--
-- Returns of each limit: the backlog before, and what was put on it.
--
-- Redis does nothing else meanwhile. So what is text becomes a number once, by being
-- reckoned with; a decision without a lease never looks at the unit; and %d makes text
-- of numbers, which is a fifth of a microsecond faster than %.0f, and 64 bits wide where
-- the server is.

local call, format, sub = redis.call, string.format, string.sub
local now = ARGV[5 * #KEYS + 1]
if now then
  now = now + 0
else
  local time = call('TIME')
  now = time[1] * 1000000 + time[2]
end

local reply, pass = {}, true
for i = 1, #KEYS do
  local a = 5 * i
  local backlog, depth, charge = 0, ARGV[a - 3] + 0, ARGV[a - 2] + 0
  local state = call('GET', KEYS[i])
  if state then
    local elapsed = now - sub(state, 1, 16)
    backlog = sub(state, 17) + 0
    if elapsed > 0 then
      backlog = backlog - elapsed * ARGV[a - 4]
      if backlog < 0 then
        backlog = 0
      end
    elseif elapsed < 0 then
      -- The clock was set back: nothing would come back until it is there again.
      call('PSETEX', KEYS[i], format('%d', math.ceil(backlog / ARGV[a - 4] / 1000)), format('%d%d', now, backlog))
    end
  end
  if depth < 0 then
    if backlog + charge > -depth then
      charge = 0
    end
  elseif backlog + charge > depth then
    pass = false
  end
  reply[2 * i - 1] = backlog
  reply[2 * i] = charge
end

for i = 1, #KEYS do
  local a = 5 * i
  local backlog, charge = reply[2 * i - 1], reply[2 * i]
  if not pass then
    reply[2 * i] = 0
  elseif charge ~= 0 then
    if ARGV[a] ~= '0' then
      -- A lease leaves half of what remains to others.
      local unit = ARGV[a - 1] + 0
      charge = charge + unit * math.min(ARGV[a], math.floor((math.abs(ARGV[a - 3]) - backlog - charge) / unit / 2))
      reply[2 * i] = charge
    end
    backlog = backlog + charge
    if backlog > 0 then
      call('PSETEX', KEYS[i], format('%d', math.ceil(backlog / ARGV[a - 4] / 1000)), format('%d%d', now, backlog))
    else
      call('DEL', KEYS[i])
    end
  end
end
return reply
