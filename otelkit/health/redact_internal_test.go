package health

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestSecretsAreBlackedOutOfErrors(t *testing.T) {
	refused := func(address string) string {
		_, err := url.Parse(address)
		return err.Error()
	}
	for name, test := range map[string]struct{ text, want string }{
		"URL":                 {"dial postgres://web:hunter2@db:5432/shop: refused", "dial postgres://[redacted]@db:5432/shop: refused"},
		"URL without user":    {"dial redis://:hunter2@cache:6379/0", "dial redis://[redacted]@cache:6379/0"},
		"password with an @":  {"mongodb://web:hunter@2@db/shop", "mongodb://[redacted]@db/shop"},
		"unparsable port":     {refused("postgres://web:hunter2/x@db:5432/shop"), `parse [redacted]: invalid port [redacted] after host`},
		"unparsable escape":   {refused("postgres://web:hunter%zz2@db/shop"), `parse [redacted]: invalid URL escape [redacted]`},
		"unparsable user":     {refused(`postgres://web:hunt"er 2@db/shop`), `parse [redacted]: net/url: invalid userinfo`},
		"MySQL":               {"root:hunter2@tcp(db:3306)/shop: refused", "[redacted]@tcp(db:3306)/shop: refused"},
		"MySQL, slash":        {"root:/hunter2@tcp(db:3306)/shop", "[redacted]@tcp(db:3306)/shop"},
		"keywords":            {"host=db user=web password=hunter2 dbname=shop", "host=db user=web password=[redacted] dbname=shop"},
		"quoted keyword":      {`host=db password='hunter\' 2' dbname=shop`, "host=db password=[redacted] dbname=shop"},
		"variable":            {"PGPASSWORD=hunter2 psql", "PGPASSWORD=[redacted] psql"},
		"query":               {"GET http://a/x?api_key=hunter2 failed", "GET http://a/x?api_key=[redacted] failed"},
		"JSON":                {`{"user":"web","password":"hunter\" 2","db":1}`, `{"user":"web","password":[redacted],"db":1}`},
		"quoted JSON":         {`body "{\"client_secret\":\"hunter 2\"}"`, `body "{\"client_secret\":[redacted]}"`},
		"header":              {"Authorization: Bearer hunter2hunter2", "Authorization: [redacted] [redacted]"},
		"bearer":              {"got bearer hunter2hunter2, refused", "got bearer [redacted], refused"},
		"JSON Web Token":      {"id eyJhbGciOi.eyJzdWIi.c2ln is over", "id [redacted] is over"},
		"private key":         {"bad key -----BEGIN RSA PRIVATE KEY-----\nhunter2\n-----END RSA PRIVATE KEY-----\nend", "bad key [redacted] end"},
		"half a private key":  {"bad key -----BEGIN PRIVATE KEY-----\nhunter2", "bad key [redacted]"},
		"nothing secret":      {"dial tcp 10.0.0.1:5432: connect: connection refused", "dial tcp 10.0.0.1:5432: connect: connection refused"},
		"about a password":    {`password authentication failed for user "web"`, `password authentication failed for user "web"`},
		"lines":               {"first\n\tsecond", "first second"},
		"bytes that are none": {"a\xffb", "a\uFFFDb"},
	} {
		if got := newRedactor(nil).text(test.text); got != test.want {
			t.Errorf("%s: %s\n got %s\nwant %s", name, test.text, got, test.want)
		}
	}
}

func TestWhatTheServiceKnowsToBeSecretIsBlackedOutInEveryForm(t *testing.T) {
	secret := `p"w /+é&`
	r := newRedactor([]string{"", `p"w`, secret})
	for _, text := range []string{
		secret, fmt.Sprintf("%q", secret), url.QueryEscape(secret), url.PathEscape(secret), url.UserPassword("", secret).String(),
	} {
		got := r.text("it said " + text + " to me")
		if strings.Trim(strings.NewReplacer("it said ", "", " to me", "", black, "").Replace(got), `":`) != "" {
			t.Errorf("%s becomes %s", text, got)
		}
	}
}

func TestALongErrorIsCut(t *testing.T) {
	for _, text := range []string{strings.Repeat("x", 10_000), strings.Repeat("é", 10_000), "x" + strings.Repeat("é", 10_000)} {
		got := newRedactor(nil).text(text)
		if len(got) > maxOutput+len("…") || !utf8.ValidString(got) || !strings.HasSuffix(got, "…") {
			t.Errorf("%d bytes, valid %v", len(got), utf8.ValidString(got))
		}
	}
}

// FuzzNoPasswordSurvives puts any password where passwords stand in errors.
func FuzzNoPasswordSurvives(f *testing.F) {
	for _, password := range []string{"hunter2", "p@ss/w:rd", `q"uote`, "a b", "://", "@@", "%zz", "é\n", "0#"} {
		f.Add(password)
	}
	f.Fuzz(func(t *testing.T, password string) {
		// Marked, so that it cannot be found by chance; what the text and what
		// its quoting do to it leaves the marks as they are.
		secret := "S3CRET" + password + "TERC3S"
		_, parse := url.Parse("postgres://web:" + secret + "@db:5432/shop")
		texts := []string{
			"dial postgres://web:" + secret + "@db:5432/shop: refused",
			"dial " + (&url.URL{Scheme: "redis", User: url.UserPassword("web", secret), Host: "cache"}).String() + ": refused",
			fmt.Sprintf("cannot parse %q", "postgres://web:"+secret+"@db/shop"),
			"host=db password='" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(secret) + "' dbname=shop",
			"GET /x?token=" + url.QueryEscape(secret) + " failed",
		}
		if parse != nil {
			texts = append(texts, parse.Error())
		}
		for _, text := range texts {
			if got := newRedactor(nil).text(text); strings.Contains(got, "S3CRET") || strings.Contains(got, "TERC3S") {
				t.Errorf("%q becomes %q", text, got)
			}
		}
		if got := newRedactor([]string{secret}).text("it is " + secret + " indeed"); got != "it is "+black+" indeed" {
			t.Errorf("a known secret becomes %q", got)
		}
	})
}
