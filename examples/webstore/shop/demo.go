package shop

import (
	"context"
	"time"
)

type demoUser struct {
	name, password, token string
	role                  Role
}

// demoUsers are those that every reader of the documentation may be.
var demoUsers = []demoUser{
	{"user123", "password123", "user-token-123", Shopper},
	{"admin", "admin123", "admin-token-456", Admin},
	{"test", "test123", "test-token-789", Shopper},
}

// saveDemoData makes the demo users that are not there yet.
func (s *shop) saveDemoData(ctx context.Context) error {
	for _, u := range demoUsers {
		exists, err := s.store.hasUser(ctx, u.name)
		if err != nil {
			return err
		}
		if exists {
			continue // hashing a password for nothing takes time
		}
		if err := s.store.saveDemoUser(ctx, u.name, u.role, s.passwords.encode(u.password), hashToken(u.token)); err != nil {
			return err
		}
	}
	return nil
}

// deliveryInterval is the time between two deliveries of the warehouse, in a
// demo that is never to be sold out for long.
const deliveryInterval = 2 * time.Second

// deliver replenishes the stock until ctx is done.
func (s *shop) deliver(ctx context.Context) {
	tick := time.NewTicker(deliveryInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := s.store.replenish(ctx); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "the warehouse did not deliver", "exception.message", err.Error())
		}
	}
}
