package httpclient_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/otelkit/kit/otelkit/httpclient"
	"go.opentelemetry.io/otel/trace"
)

// A redirect's Location is a stranger's text, and what a service calls may hold secrets.
func FuzzNothingSecretOfAURLIsOnTheSpan(f *testing.F) {
	for _, seed := range []string{
		"http://payments/charges/17",
		"https://user:hunter2@payments:8443/?key=hunter2#hunter2",
		"http://user:hunter2%00@[::1%25eth0]:80//hunter2?hunter2",
		"http://payments/%ff%fe\x80?a=b;hunter2",
		"//host-only",
		"http://:80/",
	} {
		f.Add(seed, "GET")
	}
	f.Add("http://payments/", "BR\xffEW")
	f.Fuzz(func(t *testing.T, text, method string) {
		u, err := url.Parse(text)
		if err != nil {
			return
		}
		k := newKit()
		r := (&http.Request{Method: method, URL: u, Header: http.Header{}}).WithContext(k.inSpan(t))
		if _, err := httpclient.Transport(answering{&http.Response{StatusCode: 200}}, httpclient.Config{Kit: k}).RoundTrip(r); err != nil {
			t.Fatal(err)
		}
		k.duration(t) // once
		span := k.span(t)
		for _, kv := range span.Attributes() {
			value := kv.Value.String()
			if len(value) > 4096 || !utf8.ValidString(value) {
				t.Errorf("%s is %d bytes, %.50q", kv.Key, len(value), value)
			}
			if kv.Key != "url.full" {
				continue
			}
			password, _ := u.User.Password()
			public := strings.Contains(u.Host+u.EscapedPath(), password) || strings.Contains("http://REDACTED", password)
			if password != "" && !public && strings.Contains(value, password) {
				t.Errorf("the password %q is in %q", password, value)
			}
			if _, query, _ := strings.Cut(value, "?"); query != "" && query != "REDACTED" && len(value) < 1000 {
				t.Errorf("the query is in %q", value)
			}
		}
		if span.SpanKind() != trace.SpanKindClient || !utf8.ValidString(span.Name()) {
			t.Errorf("span %q of kind %v", span.Name(), span.SpanKind())
		}
	})
}
