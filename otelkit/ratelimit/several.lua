-- Takes units of several limits, all or nothing, as one.lua does of one. It also gives
-- units back.
--
-- KEYS[i]  the state of limit i: 16 digits of microseconds, then the backlog then
-- ARGV     of each limit: rate; depth (negated in shadow mode); what to put on the
--          backlog (below 0: to give back); unit; how many units more to lease.
--          At the end the time in microseconds, if it is not to be this server's
--
-- Returns of each limit the backlog before.

local call, format, sub = redis.call, string.format, string.sub
local now = ARGV[5 * #KEYS + 1]
if now then
  now = now + 0
else
  local time = call('TIME')
  now = time[1] * 1000000 + time[2]
end

local backlogs, charges, pass = {}, {}, true
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
  backlogs[i], charges[i] = backlog, charge
end
if not pass then
  return backlogs
end

for i = 1, #KEYS do
  local a = 5 * i
  local backlog, charge = backlogs[i], charges[i]
  if charge ~= 0 then
    backlog = backlog + charge
    if ARGV[a] ~= '0' then
      -- A lease leaves half of what remains to others.
      local unit = ARGV[a - 1] + 0
      backlog = backlog + unit * math.min(ARGV[a], math.floor((math.abs(ARGV[a - 3]) - backlog) / unit / 2))
    end
    if backlog > 0 then
      call('PSETEX', KEYS[i], format('%d', math.ceil(backlog / ARGV[a - 4] / 1000)), format('%d%d', now, backlog))
    else
      call('DEL', KEYS[i])
    end
  end
end
return backlogs
