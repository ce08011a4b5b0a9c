package traffic

import (
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/otelkit/kit/examples/webstore/telemetry"
)

// shopper is somebody who shops, in one market.
type shopper struct {
	address string // where they are on the internet
	market  telemetry.Market
	token   string  // of their session; "" as long as they have needed none
	account Account // zero for a guest
}

// rest is how long a shopper stays away between two visits. Limits are by the
// minute, and no visit comes near one.
const rest = time.Minute

// maxRemembered is how many shoppers may come back. It bounds memory.
const maxRemembered = 20_000

// population is all who may come. It is safe for concurrent use.
type population struct {
	offset uint32 // of the first newcomer's address

	mu        sync.Mutex
	newcomers uint32     // so far
	away      []absentee // the first has been away for the longest
}

type absentee struct {
	shopper
	since time.Time
}

func newPopulation(cfg Config) *population {
	p := &population{offset: uint32(cfg.Seed * 2654435761 >> 8)} // so that two runs at once are other people
	if cfg.Demo {
		for _, account := range DemoAccounts {
			known := p.newcomer()
			known.account = account
			p.away = append(p.away, absentee{shopper: known})
		}
	}
	return p
}

// next returns who comes: somebody new, or, if asked for and if there is one who
// has rested, somebody who was here before.
func (p *population) next(returning bool) shopper {
	p.mu.Lock()
	defer p.mu.Unlock()
	if returning && len(p.away) > 0 && time.Since(p.away[0].since) >= rest {
		s := p.away[0].shopper
		p.away = p.away[1:]
		return s
	}
	return p.newcomer()
}

// newcomer makes somebody with an address that nobody has: one of 10.0.0.0/8,
// which is private.
func (p *population) newcomer() shopper {
	markets := telemetry.Market("").Values()
	s := shopper{
		address: privateAddress(p.offset + p.newcomers),
		market:  markets[p.newcomers%uint32(len(markets))],
	}
	p.newcomers++
	return s
}

// leave remembers somebody whom the store knows, too.
func (p *population) leave(s shopper) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if (s.token != "" || s.account != Account{}) && len(p.away) < maxRemembered {
		p.away = append(p.away, absentee{s, time.Now()})
	}
}

func privateAddress(n uint32) string {
	return fmt.Sprintf("10.%d.%d.%d", n>>16&0xff, n>>8&0xff, n&0xff)
}

// documentation is the networks that are set aside for examples (RFC 5737). Those
// who are up to something come from there, to be told from shoppers.
var documentation = []string{"203.0.113.", "198.51.100.", "192.0.2."}

func documentationAddress(n uint64) string {
	const hosts = 254
	return documentation[n/hosts%uint64(len(documentation))] + strconv.FormatUint(1+n%hosts, 10)
}
