package shop

import (
	"context"
	"encoding/json"
	"time"

	"github.com/otelkit/kit/examples/webstore/money"
	"github.com/otelkit/kit/examples/webstore/telemetry"
)

// Product is something that is sold, as it is sold in one market.
type Product struct {
	ID       int64       `json:"id"`
	Name     string      `json:"name"`
	Category string      `json:"category"`
	Price    money.Money `json:"price"`
	Stock    int         `json:"stock"`
}

// catalogueTTL is how old a list of products may be, its stock included.
const catalogueTTL = 30 * time.Second

// catalogue returns what is sold in a market, from the cache if it can.
func (s *shop) catalogue(ctx context.Context, m telemetry.Market) ([]Product, error) {
	key := "catalogue:" + string(m)
	var products []Product
	if text, ok := s.cache.get(ctx, telemetry.CatalogueCache, key); ok && json.Unmarshal(text, &products) == nil {
		return products, nil
	}
	products, err := s.store.products(ctx, m)
	if err != nil {
		return nil, err
	}
	if text, err := json.Marshal(products); err == nil {
		s.cache.fill(ctx, key, text, catalogueTTL)
	}
	return products, nil
}
