package shop

import (
	"context"
	"time"
)

// How often sessions and guests whose time is over are removed, and how many of
// them by one statement, which locks them for as long.
const (
	forgetInterval = time.Minute
	forgetBatch    = 1000
)

// keepHouse does what nobody waits for, until ctx is done. Several instances may
// do it at once.
func (s *shop) keepHouse(ctx context.Context) {
	tell, forget := time.NewTicker(s.cache.rest), time.NewTicker(forgetInterval)
	defer tell.Stop()
	defer forget.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tell.C:
			s.tellUnsaid(ctx)
		case <-forget.C:
			s.forget(ctx)
		}
	}
}

// forget removes the sessions and the guests whose time is over.
func (s *shop) forget(ctx context.Context) {
	for what, some := range map[string]func(context.Context, int) (int, error){
		"sessions": s.store.forgetSessions, "guests": s.store.forgetGuests,
	} {
		seen, err := forgetBatch, error(nil)
		for seen == forgetBatch && err == nil {
			seen, err = some(ctx, forgetBatch)
		}
		if err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "what is over was not removed", "webstore.house.removed", what, "exception.message", err.Error())
		}
	}
}
