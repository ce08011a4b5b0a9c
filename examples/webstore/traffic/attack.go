package traffic

import (
	"context"
	"net/http"
	"strconv"
)

// attack is what somebody does who is up to something, in one visit.
type attack struct {
	do func(*visit, context.Context)

	// attempts is how many requests they send. It is enough for the rule that is to
	// notice them, and too little for the others: five times 401, ten times 404, or
	// twenty times any of 4xx.
	attempts int

	// roams says that they come from another address each time, as a botnet does.
	// Who does not, meets the limits too.
	roams bool
}

// attacksBy is what those do who are up to something, by what it is.
var attacksBy = map[Intent]attack{
	Stuff:  {(*visit).stuff, 8, true},
	Scan:   {(*visit).scan, 15, true},
	Misuse: {(*visit).misuse, 30, false},
}

// attackersBySeed is how many addresses lie between those of two seeds, so that two
// runs are other people.
const attackersBySeed = 127

// make makes the nth visit, by a door.
func (a attack) make(ctx context.Context, v *visit, n uint64, door int) {
	from := uint64(door)
	if a.roams {
		from = n
	}
	v.address = documentationAddress(v.cfg.Seed*attackersBySeed + from)
	for range a.attempts {
		a.do(v, ctx)
	}
}

// leaked is names and passwords that somebody lost elsewhere.
var leaked = struct{ names, passwords []string }{
	names:     []string{"anna", "ben", "carlos", "diana", "emil", "fatima", "george", "hana", "ivan", "julia", "user123", "admin", "test"},
	passwords: []string{"123456", "qwerty", "letmein", "iloveyou", "dragon", "monkey", "football", "sunshine", "princess", "welcome1"},
}

// stuff tries to log in as somebody else.
func (v *visit) stuff(ctx context.Context) {
	name := pick(v, leaked.names)
	if v.chance(0.5) {
		name += strconv.Itoa(v.random.IntN(100))
	}
	v.send(ctx, request{kind: Attacking, method: http.MethodPost, path: "/auth/login",
		body: login{Username: name, Password: pick(v, leaked.passwords)}}, nil)
}

// openElsewhere is paths of what other software leaves open.
var openElsewhere = []string{
	"/.env", "/.git/config", "/.aws/credentials", "/.DS_Store", "/wp-login.php", "/wp-admin/setup-config.php",
	"/phpmyadmin/index.php", "/server-status", "/actuator/env", "/actuator/heapdump", "/cgi-bin/test.cgi",
	"/console", "/backup.sql", "/dump.tar.gz", "/config.json", "/solr/admin/info/system", "/telescope/requests",
	"/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php", "/owa/auth/logon.aspx", "/struts/login.action",
}

// scan looks for one of them.
func (v *visit) scan(ctx context.Context) { v.get(ctx, Attacking, pick(v, openElsewhere)) }

// nonsense is requests that are wrong for a guest of the store, whoever that is.
var nonsense = []request{
	{method: http.MethodPost, path: "/cart/add", body: `{"product_id": `},
	{method: http.MethodPost, path: "/cart/add", body: `{"product_id": 1, "quantity": -5, "country": "DE"}`},
	{method: http.MethodPost, path: "/cart/add", body: `{"product_id": 1, "quantity": 1, "country": "DE", "price": 1}`},
	{method: http.MethodPost, path: "/cart/add", body: `[]`},
	{method: http.MethodPut, path: "/cart", body: `{}`},
	{method: http.MethodDelete, path: "/orders"},
	{method: http.MethodPost, path: "/orders/checkout", body: `{"payment_method": "credit_card", "country": "DE"}`},
	{method: http.MethodPost, path: "/orders/checkout", key: "nonsense", body: `{"payment_method": "gold", "country": "DE"}`},
}

// misuse sends one of them, as a guest.
func (v *visit) misuse(ctx context.Context) {
	if v.identify(ctx) {
		q := pick(v, nonsense)
		q.kind = Attacking
		v.send(ctx, q, nil)
	}
}
