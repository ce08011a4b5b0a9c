// Package faults breaks the store on purpose, so that one can see what an alert,
// a panel or a trace says when something is really wrong.
//
// A fault is a [Name] in a table, [All]. A service has a [Board] of those that it
// can have, and asks it where the trouble would be:
//
//	if cfg.Faults.On(faults.ProviderFailing) {
//		fail(w, http.StatusInternalServerError, ...)
//	}
//
// What is asked for happens in the service itself: queries that sleep, connections
// that are refused, memory that is kept. Telemetry is never told to pretend; it shows
// the trouble as it would show any.
//
// A [Control] starts and stops faults here and in the services that it can reach:
//
//	webstore fault start crm-failing ──> main, /admin/faults ──> crm, /faults
//	webstore fault start provider-slow ──> main ──> payments ──> payment-provider
//
// Every fault ends by itself, after 5 minutes unless somebody says otherwise and after
// an hour at most, and with the process that has it.
//
// # Security
//
// Who can start a fault can bring the store down. So there is none without a key that
// the services share (WEBSTORE_FAULTS_KEY): [NewBoard] without a key returns nil, a nil
// Board has no fault on, and the services have no endpoint for them. `webstore up` makes
// a random key for each run, if the run has demo data. Main asks for the role of an
// administrator beside. No key is logged or sent back.
//
// The package knows nothing of otelkit, since third parties use it.
package faults

import (
	"slices"
	"time"
)

// Name is which fault it is.
type Name string

// The faults.
const (
	ProviderFailing      Name = "provider-failing"
	ProviderSlow         Name = "provider-slow"
	ProviderHanging      Name = "provider-hanging"
	ProviderUnreachable  Name = "provider-unreachable"
	ProviderDeclining    Name = "provider-declining"
	InventoryOutOfStock  Name = "inventory-out-of-stock"
	InventoryFailing     Name = "inventory-failing"
	CRMFailing           Name = "crm-failing"
	PromotionsSlow       Name = "promotions-slow"
	SlowQueries          Name = "slow-queries"
	ConnectionsExhausted Name = "connections-exhausted"
	DatabaseAway         Name = "database-away"
	RedisAway            Name = "redis-away"
	MainLatency          Name = "main-latency"
	CPUBurner            Name = "cpu-burner"
	HeapLeak             Name = "heap-leak"
	LockFight            Name = "lock-fight"
	Panics               Name = "panics"
	LogFlood             Name = "log-flood"
	CardinalityBomb      Name = "cardinality-bomb"
	BadRelease           Name = "bad-release"
	TelemetryAway        Name = "telemetry-away"
)

// The services that can have faults, as they are named in the table.
const (
	Main            = "main"
	Payments        = "payments"
	Promotions      = "promotions"
	PaymentProvider = "payment-provider"
	CRM             = "crm"
	Inventory       = "inventory"
)

// Markets are those that a fault can be limited to.
var Markets = []string{"US", "UK", "DE", "FR", "JP", "BR", "IN"}

// How long a fault is on.
const (
	DefaultFor = 5 * time.Minute // when nobody says
	LongestFor = time.Hour
)

// Fault is one way in which the store can be broken.
type Fault struct {
	Name      Name
	Services  []string  // that have it
	Does      string    // what happens, on one line
	ByMarket  bool      // it can be limited to a market
	Intensity Intensity // how bad it is; the zero value cannot be chosen
}

// Intensity is what the number means that says how bad a fault is.
type Intensity struct {
	Means             string // such as "seconds"
	Default, Min, Max float64
}

// share is the intensity of what happens to some of many.
func share(of string, usually float64) Intensity {
	return Intensity{Means: "share of " + of, Default: usually, Min: 0.01, Max: 1}
}

// seconds is the intensity of what takes longer.
func seconds(usually, most float64) Intensity {
	return Intensity{Means: "seconds", Default: usually, Min: 0.01, Max: most}
}

// All is every fault, in the order in which one would read of them: from what is not
// ours to what is.
var All = []Fault{
	{
		Name: ProviderFailing, Services: []string{PaymentProvider}, ByMarket: true, Intensity: share("charges", 1),
		Does: "The payment provider answers charges with 500 and 503.",
	},
	{
		Name: ProviderSlow, Services: []string{PaymentProvider}, ByMarket: true, Intensity: seconds(1.5, 30),
		Does: "The payment provider takes that much longer for a charge.",
	},
	{
		Name: ProviderHanging, Services: []string{PaymentProvider}, ByMarket: true,
		Does: "The payment provider takes the money and never answers.",
	},
	{
		Name: ProviderUnreachable, Services: []string{PaymentProvider},
		Does: "The payment provider resets every connection.",
	},
	{
		Name: ProviderDeclining, Services: []string{PaymentProvider}, ByMarket: true, Intensity: share("charges", 1),
		Does: "The payment provider refuses charges, which is final.",
	},
	{
		Name: InventoryOutOfStock, Services: []string{Inventory}, ByMarket: true, Intensity: share("reservations", 1),
		Does: "The warehouses have nothing of what was paid for.",
	},
	{
		Name: InventoryFailing, Services: []string{Inventory}, Intensity: share("requests", 1),
		Does: "The inventory system answers with 500 and 503.",
	},
	{
		Name: CRMFailing, Services: []string{CRM}, Intensity: share("requests", 1),
		Does: "The CRM answers with 500 and 503.",
	},
	{
		Name: PromotionsSlow, Services: []string{Promotions}, Intensity: seconds(2, 30),
		Does: "Promotions takes that much longer for each answer.",
	},
	{
		Name: SlowQueries, Services: []string{Main}, Intensity: seconds(1, 5),
		Does: "Main's queries for products sleep in the database, on a connection that others wait for.",
	},
	{
		Name: ConnectionsExhausted, Services: []string{Main},
		Does: "Somebody holds all of main's connections to the database.",
	},
	{
		Name: DatabaseAway, Services: []string{Main},
		Does: "Main's connections to the database are cut, and new ones refused.",
	},
	{
		Name: RedisAway, Services: []string{Main},
		Does: "Main's connections to Redis are cut, and new ones refused.",
	},
	{
		Name: MainLatency, Services: []string{Main}, Intensity: seconds(0.5, 5),
		Does: "Main takes that much longer for each answer.",
	},
	{
		Name: CPUBurner, Services: []string{Main}, Intensity: Intensity{Means: "CPUs", Default: 1, Min: 1, Max: 16},
		Does: "Something in main computes without end, to be found in its CPU profile.",
	},
	{
		Name: HeapLeak, Services: []string{Main}, Intensity: Intensity{Means: "MiB", Default: 64, Min: 1, Max: 256},
		Does: "Something in main keeps ever more memory, up to a limit, to be found in its heap profile.",
	},
	{
		Name: LockFight, Services: []string{Main}, Intensity: Intensity{Means: "goroutines", Default: 8, Min: 2, Max: 64},
		Does: "Each request of main needs a lock that others hold nearly all the time, to be found in its mutex profile.",
	},
	{
		Name: Panics, Services: []string{Main}, Intensity: share("requests", 0.2),
		Does: "Main's handlers panic, which its server answers with 500.",
	},
	{
		Name: LogFlood, Services: []string{Main}, Intensity: Intensity{Means: "lines a second", Default: 500, Min: 1, Max: 10_000},
		Does: "Main logs the same complaint over and over.",
	},
	{
		Name: CardinalityBomb, Services: []string{Main}, Intensity: Intensity{Means: "values a second", Default: 500, Min: 1, Max: 10_000},
		Does: "Main records attribute values that nobody foresaw, a new one each time.",
	},
	{
		Name: BadRelease, Services: []string{Main}, Intensity: share("requests to the new release", 0.2),
		Does: "A feature flag gives 30% of main's requests a new release, which fails some of them.",
	},
	{
		Name: TelemetryAway, Services: []string{Main, Payments, Promotions},
		Does: "The telemetry back end refuses what the services export.",
	},
}

// Find returns the fault of a name.
func Find(name Name) (Fault, bool) {
	i := slices.IndexFunc(All, func(f Fault) bool { return f.Name == name })
	if i < 0 {
		return Fault{}, false
	}
	return All[i], true
}

// Options are how a fault is to be. The zero value is useful.
type Options struct {
	For       time.Duration // 0 means DefaultFor; LongestFor at most
	Market    string        // one of Markets; "" means all
	Intensity float64       // 0 means the fault's own
}
