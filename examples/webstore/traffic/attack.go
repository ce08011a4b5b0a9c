package traffic

import (
	"context"
	"net/http"
	"strconv"
)

// attacksBy is what those do who are up to something.
var attacksBy = map[Intent]func(*visit, context.Context){
	Stuff:  (*visit).stuff,
	Scan:   (*visit).scan,
	Misuse: (*visit).misuse,
}

// attempts is how many requests an attacker sends in one go. It is more than any of
// the store's rules needs to notice.
const attempts = 30

// leaked is names and passwords that somebody lost elsewhere.
var leaked = struct{ names, passwords []string }{
	names:     []string{"anna", "ben", "carlos", "diana", "emil", "fatima", "george", "hana", "ivan", "julia", "user123", "admin", "test"},
	passwords: []string{"123456", "qwerty", "letmein", "iloveyou", "dragon", "monkey", "football", "sunshine", "princess", "welcome1"},
}

// stuff tries to log in as others.
func (v *visit) stuff(ctx context.Context) {
	for range attempts {
		name := pick(v, leaked.names)
		if v.chance(0.5) {
			name += strconv.Itoa(v.random.IntN(100))
		}
		v.send(ctx, request{kind: Attacking, method: http.MethodPost, path: "/auth/login",
			body: login{Username: name, Password: pick(v, leaked.passwords)}}, nil)
	}
}

// openElsewhere is paths of what other software leaves open.
var openElsewhere = []string{
	"/.env", "/.git/config", "/.aws/credentials", "/.DS_Store", "/wp-login.php", "/wp-admin/setup-config.php",
	"/phpmyadmin/index.php", "/server-status", "/actuator/env", "/actuator/heapdump", "/cgi-bin/test.cgi",
	"/console", "/backup.sql", "/dump.tar.gz", "/config.json", "/solr/admin/info/system", "/telescope/requests",
	"/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php", "/owa/auth/logon.aspx", "/struts/login.action",
}

// scan looks for one after the other.
func (v *visit) scan(ctx context.Context) {
	first := v.random.IntN(len(openElsewhere))
	for i := range attempts {
		v.get(ctx, Attacking, openElsewhere[(first+i)%len(openElsewhere)])
	}
}

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

// misuse sends what is wrong, as a guest.
func (v *visit) misuse(ctx context.Context) {
	if !v.identify(ctx) {
		return
	}
	for range attempts {
		q := pick(v, nonsense)
		q.kind = Attacking
		v.send(ctx, q, nil)
	}
}
