package inventory_test

import (
	"fmt"
	"math"
	"net/http"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/otelkit/kit/examples/webstore/inventory"
	"github.com/otelkit/kit/examples/webstore/thirdparty/thirdpartytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stock is an inventory to ask over HTTP.
type stock struct {
	*thirdpartytest.Party
	t testing.TB
}

func start(t testing.TB, cfg inventory.Config) stock {
	return stock{thirdpartytest.Start(t, inventory.Handler(cfg)), t}
}

func wish(product, quantity int, country string) string {
	return fmt.Sprintf(`{"product_id": %d, "quantity": %d, "country": %q}`, product, quantity, country)
}

func (s stock) check(product, quantity int, country string) thirdpartytest.Answer {
	return s.Post("/api/inventory/check", "", wish(product, quantity, country))
}

func (s stock) reserve(key string, product, quantity int, country string) thirdpartytest.Answer {
	return s.Post("/api/inventory/reserve", key, wish(product, quantity, country))
}

func (s stock) release(key string) thirdpartytest.Answer {
	return s.Post("/api/inventory/release", key, "")
}

func (s stock) reservations() []map[string]any {
	return s.List("/api/inventory/reservations", "reservations")
}

// level is what a warehouse has of a product.
func (s stock) level(warehouse string, product int) (stock, reserved int) {
	s.t.Helper()
	for _, w := range s.List("/api/inventory/warehouses", "warehouses") {
		if w["warehouse"] == warehouse {
			level := w["products"].([]any)[product-1].(map[string]any)
			return int(level["stock"].(float64)), int(level["reserved"].(float64))
		}
	}
	s.t.Fatalf("there is no warehouse %s", warehouse)
	return 0, 0
}

func TestAWarehouseHasFrom5000To9999OfEachProductAtFirst(t *testing.T) {
	s := start(t, inventory.Config{Seed: 3})
	warehouses := s.List("/api/inventory/warehouses", "warehouses")
	if len(warehouses) != 7 {
		t.Errorf("%d warehouses, want 7", len(warehouses))
	}
	for _, w := range warehouses {
		products := w["products"].([]any)
		if len(products) != 8 {
			t.Errorf("%v has %d products, want 8", w["warehouse"], len(products))
		}
		for i, p := range products {
			level := p.(map[string]any)
			if n := level["stock"].(float64); n < 5000 || n > 9999 || level["product_id"] != float64(i+1) || level["reserved"] != 0.0 {
				t.Errorf("%v has %v", w["warehouse"], level)
			}
		}
	}
	if health := s.Get("/health"); health.Status != http.StatusOK || health.Body["status"] != "healthy" {
		t.Errorf("health: %d %v", health.Status, health.Body)
	}
}

func TestGoodsComeFromTheFirstWarehouseOfTheRouteThatHasEnough(t *testing.T) {
	for country, route := range map[string][]struct {
		warehouse string
		days      float64
	}{
		"US": {{"US-EAST", 2}, {"US-WEST", 2}},
		"UK": {{"UK-LONDON", 2}, {"EU-CENTRAL", 3}},
		"DE": {{"EU-CENTRAL", 3}, {"UK-LONDON", 2}},
		"FR": {{"EU-CENTRAL", 3}, {"UK-LONDON", 2}},
		"JP": {{"ASIA-TOKYO", 3}},
		"BR": {{"SA-BRAZIL", 5}, {"US-EAST", 2}},
		"IN": {{"ASIA-MUMBAI", 4}, {"ASIA-TOKYO", 3}},
		"MX": {{"US-EAST", 2}},
	} {
		s := start(t, inventory.Config{})
		for _, next := range route {
			first, _ := s.level(next.warehouse, 4)
			check := s.check(4, first, country)
			for field, want := range map[string]any{
				"product_id": 4.0, "quantity": float64(first), "available": true,
				"warehouse": next.warehouse, "stock": float64(first), "fulfillment_days": next.days,
			} {
				if check.Status != http.StatusOK || check.Body[field] != want {
					t.Errorf("%s: check: %d with %s %v, want 200 with %v", country, check.Status, field, check.Body[field], want)
				}
			}
			reservation := s.reserve(next.warehouse, 4, first, country)
			for field, want := range map[string]any{
				"product_id": 4.0, "quantity": float64(first), "warehouse": next.warehouse, "fulfillment_days": next.days, "status": "reserved",
			} {
				if reservation.Status != http.StatusCreated || reservation.Body[field] != want {
					t.Errorf("%s: reservation: %d with %s %v, want 201 with %v", country, reservation.Status, field, reservation.Body[field], want)
				}
			}
		}
		check := s.check(4, 1, country)
		if check.Body["available"] != false || check.Body["warehouse"] != route[0].warehouse || check.Body["fulfillment_days"] != route[0].days+7 {
			t.Errorf("%s: with nothing left, check: %v", country, check.Body)
		}
		refused := s.reserve("late", 4, 1, country)
		if refused.Status != http.StatusConflict || refused.Code() != "out_of_stock" || refused.Body["status"] != "out_of_stock" || refused.Body["available_stock"] != 0.0 {
			t.Errorf("%s: with nothing left, reservation: %d %v, want 409 out_of_stock", country, refused.Status, refused.Body)
		}
	}
}

func TestACheckTakesNothing(t *testing.T) {
	s := start(t, inventory.Config{})
	before, _ := s.level("ASIA-TOKYO", 1)
	s.check(1, 5, "JP")
	if after, reserved := s.level("ASIA-TOKYO", 1); after != before || reserved != 0 {
		t.Errorf("of %d there are %d, and %d reserved", before, after, reserved)
	}
}

func TestAKeyIsReservedOnceHoweverOftenItComesAtOnce(t *testing.T) {
	s := start(t, inventory.Config{})
	before, _ := s.level("EU-CENTRAL", 2)
	answers := thirdpartytest.AtOnce(20, func(int) thirdpartytest.Answer { return s.reserve("order:2", 2, 3, "DE") })
	for _, answer := range answers {
		if answer.Status != http.StatusCreated || fmt.Sprint(answer.Body) != fmt.Sprint(answers[0].Body) {
			t.Errorf("got %d %v, want 201 %v", answer.Status, answer.Body, answers[0].Body)
		}
	}
	if after, reserved := s.level("EU-CENTRAL", 2); after != before-3 || reserved != 3 {
		t.Errorf("of %d there are %d, and %d reserved; want 3 reserved", before, after, reserved)
	}
	if list := s.reservations(); len(list) != 1 || list[0]["idempotency_key"] != "order:2" || list[0]["country"] != "DE" {
		t.Errorf("the reservations are %v, want one", list)
	}
}

func TestAKeyIsRefusedForAnotherReservation(t *testing.T) {
	s := start(t, inventory.Config{})
	s.reserve("one", 1, 1, "DE")
	if answer := s.reserve("one", 1, 2, "DE"); answer.Status != http.StatusConflict || answer.Code() != "idempotency_key_reused" {
		t.Errorf("got %d %v, want 409 idempotency_key_reused", answer.Status, answer.Body)
	}
}

func TestAReleaseGivesGoodsBackOnce(t *testing.T) {
	s := start(t, inventory.Config{})
	before, _ := s.level("SA-BRAZIL", 8)
	s.reserve("kept", 8, 10, "BR")
	s.reserve("one", 8, 7, "BR")
	for _, release := range thirdpartytest.AtOnce(20, func(int) thirdpartytest.Answer { return s.release("one") }) {
		if release.Status != http.StatusOK || release.Body["released"] != true {
			t.Errorf("release: %d %v", release.Status, release.Body)
		}
	}
	if after, reserved := s.level("SA-BRAZIL", 8); after != before-10 || reserved != 10 {
		t.Errorf("of %d there are %d, and %d reserved; want only 10 reserved", before, after, reserved)
	}
	if list := s.reservations(); list[0]["status"] != "reserved" || list[1]["status"] != "released" {
		t.Errorf("the reservations are %v", list)
	}
}

func TestAKeyThatWasReleasedIsNeverReservedLater(t *testing.T) {
	s := start(t, inventory.Config{})
	before, _ := s.level("US-EAST", 1)
	s.reserve("reserved", 1, 1, "US")
	s.release("reserved")
	for range 2 {
		if release := s.release("never seen"); release.Status != http.StatusOK || release.Body["released"] != false {
			t.Errorf("release of nothing: %d %v", release.Status, release.Body)
		}
	}
	for _, key := range []string{"reserved", "never seen"} {
		if late := s.reserve(key, 1, 1, "US"); late.Status != http.StatusConflict || late.Code() != "released" {
			t.Errorf("%s: reservation after its release: %d %v, want 409 released", key, late.Status, late.Body)
		}
	}
	if after, reserved := s.level("US-EAST", 1); after != before || reserved != 0 {
		t.Errorf("of %d there are %d, and %d reserved", before, after, reserved)
	}
}

func TestWhatIsOutOfStockCanBeReservedWhenItIsBack(t *testing.T) {
	s := start(t, inventory.Config{})
	all, _ := s.level("ASIA-TOKYO", 5)
	s.reserve("all", 5, all, "JP")
	if answer := s.reserve("one", 5, 1, "JP"); answer.Code() != "out_of_stock" {
		t.Fatalf("got %d %v, want out_of_stock", answer.Status, answer.Body)
	}
	s.release("all")
	if answer := s.reserve("one", 5, 1, "JP"); answer.Status != http.StatusCreated {
		t.Errorf("with the goods back: %d %v, want 201", answer.Status, answer.Body)
	}
}

func TestNoMoreIsReservedThanIsThere(t *testing.T) {
	s := start(t, inventory.Config{})
	all, _ := s.level("ASIA-TOKYO", 6)
	const share = 20 // as many can be kept, and twice as many come
	reserved := 0
	for _, answer := range thirdpartytest.AtOnce(2*share, func(i int) thirdpartytest.Answer {
		return s.reserve(fmt.Sprint(i), 6, all/share, "JP")
	}) {
		switch {
		case answer.Status == http.StatusCreated:
			reserved++
		case answer.Code() != "out_of_stock":
			t.Errorf("got %d %v", answer.Status, answer.Body)
		}
	}
	if left, kept := s.level("ASIA-TOKYO", 6); reserved != share || left != all%share || kept != all-all%share {
		t.Errorf("%d reservations were made, %d are left and %d reserved; want %d, %d and %d", reserved, left, kept, share, all%share, all-all%share)
	}
}

func TestReservationsAndReleasesAtOnceLoseNoGoods(t *testing.T) {
	s := start(t, inventory.Config{})
	all, _ := s.level("ASIA-TOKYO", 7)
	done := make(chan struct{})
	var watcher sync.WaitGroup
	watcher.Go(func() {
		for {
			if left, kept := s.level("ASIA-TOKYO", 7); left < 0 || left+kept != all {
				t.Errorf("%d are left and %d reserved, of %d", left, kept, all)
			}
			select {
			case <-done:
				return
			default:
			}
		}
	})
	// Each key is reserved by three and released by one, all at once; the goods
	// do not suffice for all.
	const rounds, keys, quantity = 10, 10, 1500
	for round := range rounds {
		for _, answer := range thirdpartytest.AtOnce(4*keys, func(i int) thirdpartytest.Answer {
			key := fmt.Sprint(round*keys + i%keys)
			if i/keys == 3 {
				return s.release(key)
			}
			return s.reserve(key, 7, quantity, "JP")
		}) {
			if code := answer.Code(); answer.Status == http.StatusConflict && code != "released" && code != "out_of_stock" || answer.Status > http.StatusConflict {
				t.Errorf("got %d %v", answer.Status, answer.Body)
			}
		}
	}
	close(done)
	watcher.Wait()
	if left, kept := s.level("ASIA-TOKYO", 7); left != all || kept != 0 {
		t.Errorf("with all released %d are left and %d reserved, of %d", left, kept, all)
	}
}

// half fails every other call.
var half = inventory.Config{FailureScale: 500, Seed: 1}

func TestWhetherALostAnswerTookGoodsIsToldByTheKey(t *testing.T) {
	s := start(t, half)
	kept := func(key string) (id any) {
		for _, reservation := range s.reservations() {
			if reservation["idempotency_key"] == key {
				return reservation["reservation_id"]
			}
		}
		return nil
	}
	var lost, refused, passed int
	for i := range 100 {
		key := fmt.Sprint(i)
		answer := s.reserve(key, 1, 1, "US")
		id := kept(key)
		if want := answer.Status == http.StatusCreated || answer.Status == http.StatusInternalServerError; (id != nil) != want {
			t.Fatalf("key %s: after %d, the reservation is %v", key, answer.Status, id)
		}
		switch answer.Status {
		case http.StatusInternalServerError:
			again := thirdpartytest.Until(http.StatusCreated, func() thirdpartytest.Answer { return s.reserve(key, 1, 1, "US") })
			if lost++; again.Body["reservation_id"] != id {
				t.Errorf("key %s: asked again it was %d %v, want %v", key, again.Status, again.Body, id)
			}
		case http.StatusBadRequest, http.StatusNotFound:
			refused++
			for range 10 {
				if again := s.reserve(key, 1, 1, "US"); again.Status == http.StatusCreated {
					t.Fatalf("key %s: refused with %v, then reserved", key, answer.Code())
				}
			}
		case http.StatusServiceUnavailable:
			if s.reserve(key, 1, 1, "US").Status == http.StatusCreated {
				passed++
			}
		}
	}
	if lost == 0 || refused == 0 || passed == 0 {
		t.Errorf("the test met %d lost answers, %d refusals and %d outages that passed; it needs all", lost, refused, passed)
	}
}

func TestAReleaseFailsOnlyForAWhile(t *testing.T) {
	s := start(t, half)
	for i := range 50 {
		key := fmt.Sprint(i)
		answer := thirdpartytest.Until(http.StatusOK, func() thirdpartytest.Answer { return s.release(key) })
		if answer.Status != http.StatusOK {
			t.Errorf("key %s: %d %v", key, answer.Status, answer.Body)
		}
	}
}

func TestFailuresAreAsFrequentAndAsMixedAsTheTableSays(t *testing.T) {
	const n, scale = 1_000, 200 // one in a thousand is too few to count
	for _, row := range inventory.Behaviours {
		s := start(t, inventory.Config{FailureScale: scale, Seed: 7})
		seen := map[int]float64{}
		for i := range n {
			_, path, _ := strings.Cut(row.Call, " ")
			seen[s.Post(path, fmt.Sprint(i), wish(1, 1, "US")).Status]++
		}
		for _, failure := range row.Failures {
			want := scale * row.Failure / float64(len(row.Failures))
			if share := seen[failure.Status] / n; math.Abs(share-want) > 0.02 {
				t.Errorf("%s: %.3f fail with %d, want %.3f", row.Call, share, failure.Status, want)
			}
		}
		well := (seen[http.StatusOK] + seen[http.StatusCreated]) / n
		if want := 1 - scale*row.Failure; math.Abs(well-want) > 0.03 {
			t.Errorf("%s: %.3f go well, want %.3f", row.Call, well, want)
		}
	}
}

func TestTheSameSeedIsTheSameInventory(t *testing.T) {
	run := func(seed uint64) (stock, answers string) {
		s := start(t, inventory.Config{FailureScale: 500, Seed: seed})
		stock = fmt.Sprint(s.List("/api/inventory/warehouses", "warehouses"))
		for i := range 50 {
			answers += fmt.Sprintln(s.reserve(fmt.Sprint(i), 1, 1, "US").Status)
		}
		return stock, answers
	}
	stock, answers := run(1)
	if again, sameAnswers := run(1); again != stock || sameAnswers != answers {
		t.Error("seed 1 gave two different runs")
	}
	if other, otherAnswers := run(2); other == stock || otherAnswers == answers {
		t.Error("seeds 1 and 2 gave the same stock or the same answers")
	}
}

func TestWhatIsNoWishIsRefused(t *testing.T) {
	s := start(t, inventory.Config{FailureScale: 1000})
	for name, c := range map[string]struct {
		body   string
		status int
		code   string
	}{
		"nothing":             {``, 400, "bad_request"},
		"null":                {`null`, 400, "bad_request"},
		"not JSON":            {`product_id=1`, 400, "bad_request"},
		"cut off":             {`{"product_id": 1, "quan`, 400, "bad_request"},
		"two":                 {wish(1, 1, "US") + wish(1, 1, "US"), 400, "bad_request"},
		"no quantity":         {`{"product_id": 1, "country": "US"}`, 400, "bad_request"},
		"negative":            {wish(1, -1, "US"), 400, "bad_request"},
		"fraction":            {`{"product_id": 1, "quantity": 0.5}`, 400, "bad_request"},
		"too many for an int": {`{"product_id": 1, "quantity": 9223372036854775808}`, 400, "bad_request"},
		"large":               {wish(1, 1, strings.Repeat("x", 4<<10)), 400, "bad_request"},
		"no product":          {`{"quantity": 1, "country": "US"}`, 404, "product_not_found"},
		"a product below":     {wish(0, 1, "US"), 404, "product_not_found"},
		"a product above":     {wish(9, 1, "US"), 404, "product_not_found"},
	} {
		for _, path := range []string{"/api/inventory/check", "/api/inventory/reserve"} {
			if answer := s.Post(path, "k", c.body); answer.Status != c.status || answer.Code() != c.code {
				t.Errorf("%s: %s: %d %v, want %d %s", path, name, answer.Status, answer.Body, c.status, c.code)
			}
		}
	}
	for name, answer := range map[string]thirdpartytest.Answer{
		"reserve": s.reserve("", 1, 1, "US"), "release": s.release(""), "endless key": s.release(strings.Repeat("k", 256)),
	} {
		if answer.Status != http.StatusBadRequest || answer.Code() != "bad_request" {
			t.Errorf("%s without a key: %d %v, want 400 bad_request", name, answer.Status, answer.Body)
		}
	}
	if list := s.reservations(); len(list) > 0 {
		t.Errorf("reservations were made: %v", list)
	}
}

func TestALargeWishIsOutOfStock(t *testing.T) {
	s := start(t, inventory.Config{})
	const most = 9223372036854775807
	if answer := s.reserve("k", 1, most, "US"); answer.Code() != "out_of_stock" {
		t.Errorf("got %d %v, want out_of_stock", answer.Status, answer.Body)
	}
}

func TestItKnowsNothingOfTelemetry(t *testing.T) { thirdpartytest.KnowsNothingOfTelemetry(t) }
