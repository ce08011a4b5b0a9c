package promotions

import (
	"context"
	"time"
)

// usualRenewalInterval is the time between two looks at the coupons of a demo, which is
// never to run out of them for long.
const usualRenewalInterval = 10 * time.Second

// renew gives coupons that run low further uses, every so often, until ctx is done.
func (p *promotions) renew(ctx context.Context, interval time.Duration) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := p.store.renew(ctx); err != nil && ctx.Err() == nil {
			p.log.WarnContext(ctx, "coupons were not renewed", "error", err.Error())
		}
	}
}
