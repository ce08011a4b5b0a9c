package shop

import (
	"context"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// calls counts what reaches Redis, and keeps how long each call may take.
type calls struct {
	mu      sync.Mutex
	names   []string
	patient []time.Duration
}

func (c *calls) DialHook(next goredis.DialHook) goredis.DialHook { return next }

func (c *calls) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook {
	return func(ctx context.Context, cmd goredis.Cmder) error {
		if !setsUp(cmd) && cmd.Name() != "ping" {
			deadline, _ := ctx.Deadline()
			c.mu.Lock()
			c.names = append(c.names, cmd.Name())
			c.patient = append(c.patient, time.Until(deadline))
			c.mu.Unlock()
		}
		return next(ctx, cmd)
	}
}

func (c *calls) ProcessPipelineHook(next goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return next
}

// made returns the calls since the last time.
func (c *calls) made() (names []string, patient []time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	names, patient, c.names, c.patient = c.names, c.patient, nil, nil
	return names, patient
}

// watchRedis counts what the service asks Redis from now on.
func (f *fixture) watchRedis() *calls {
	c := new(calls)
	f.shop.cache.client.Load().AddHook(c)
	return c
}
