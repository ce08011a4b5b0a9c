package logs_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/otelkit/kit/otelkit/logs"
)

const hush = "hunter2"

type account struct {
	Name     string
	Password string `json:"password"`
	inner    int
}

func (a account) String() string { return a.Name + " " + a.Password }

// loggedIn logs an account by a LogValuer that nests another one.
type loggedIn struct{}

func (loggedIn) LogValue() slog.Value {
	return slog.GroupValue(slog.Any("who", shy{slog.GroupValue(slog.String("password", hush))}))
}

func TestASecretReachesNeitherSink(t *testing.T) {
	for name, log := range map[string]func(*slog.Logger){
		"attribute":        func(l *slog.Logger) { l.Info("hello", "password", hush) },
		"in capitals":      func(l *slog.Logger) { l.Info("hello", "PassWord", hush) },
		"in camel case":    func(l *slog.Logger) { l.Info("hello", "accessToken", hush, "APIKey", hush, "userPassword", hush) },
		"with a prefix":    func(l *slog.Logger) { l.Info("hello", "db_password", hush, "Proxy-Authorization", hush) },
		"with a namespace": func(l *slog.Logger) { l.Info("hello", "http.request.header.set-cookie", []string{hush}) },
		"of another type": func(l *slog.Logger) {
			l.Info("hello", "token", []byte(hush), "secret", errors.New(hush), "pwd", account{hush, "", 0})
		},
		"With":            func(l *slog.Logger) { l.With("password", hush).Info("hello") },
		"With in a group": func(l *slog.Logger) { l.WithGroup("g").With("password", hush).Info("hello", "a", 1) },
		"group":           func(l *slog.Logger) { l.Info("hello", slog.Group("g", slog.Group("", "password", hush))) },
		"group of that name": func(l *slog.Logger) {
			l.Info("hello", slog.Group("credentials", "a", hush, slog.Group("b", "c", hush)))
		},
		"open group of the name": func(l *slog.Logger) {
			l.WithGroup("token").With("a", hush).WithGroup("b").With("c", hush).Info("hello", "d", hush, slog.Group("e", "f", hush))
		},
		"LogValuer": func(l *slog.Logger) { l.Info("hello", "password", shy{slog.StringValue(hush)}) },
		"in a LogValuer": func(l *slog.Logger) {
			l.With("a", loggedIn{}).WithGroup("g").With("b", loggedIn{}).Info("hello", "c", loggedIn{})
		},
		"LogValuer's group": func(l *slog.Logger) { l.Info("hello", "cookie", shy{slog.GroupValue(slog.String("a", hush))}) },
		"struct": func(l *slog.Logger) {
			l.Info("hello", "a", account{"x", hush, 0}, "b", &account{"x", hush, 0}, "c", []account{{"x", hush, 0}})
		},
		"map": func(l *slog.Logger) {
			l.Info("hello", "a", map[string]any{"b": []any{map[market]string{"password": hush}}})
		},
		"map under the name": func(l *slog.Logger) {
			l.Info("hello", "a", map[string]any{"token": map[string]any{"b": []any{hush, `"}],`}}, "z": 1})
		},
		"headers": func(l *slog.Logger) {
			l.Info("hello", "a", http.Header{"Authorization": {hush}, "Cookie": {hush, hush}})
		},
		"json.Marshaler": func(l *slog.Logger) { l.Info("hello", "a", raw(`{"x":{"password":{"y":["`+hush+`"]}},"z":1}`)) },
		"escaped key":    func(l *slog.Logger) { l.Info("hello", "a", json.RawMessage(`{"pass\u0077ord":"`+hush+`"}`)) },
		"Record": func(l *slog.Logger) {
			l.LogAttrs(t.Context(), slog.LevelError, "hello", slog.String("Client-Secret", hush))
		},
		"Attrs as a value": func(l *slog.Logger) { l.Info("hello", "a", []slog.Attr{slog.String("password", hush)}) },
		"Values in a list": func(l *slog.Logger) { l.Info("hello", "a", []any{slog.GroupValue(slog.String("password", hush))}) },
	} {
		for formatName, format := range map[string]logs.Format{"json": logs.JSON, "text": logs.Text} {
			t.Run(name+"/"+formatName, func(t *testing.T) {
				var out bytes.Buffer
				var sent exported
				log(logs.New(logs.Config{Output: &out, Format: format}, provider(&sent)))
				if line := out.String(); strings.Contains(line, hush) || !strings.Contains(line, "hello") ||
					!strings.Contains(line, logs.Redacted) && name != "Values in a list" {
					t.Errorf("the line is %s", line)
				}
				if format == logs.JSON {
					lineOf(t, &out)
				}
				if record := fmt.Sprint(attributesOf(sent.records[0])); strings.Contains(record, hush) || !strings.Contains(record, logs.Redacted) {
					t.Errorf("exported %s", record)
				}
			})
		}
	}
}

func TestWhatIsNoSecretIsShown(t *testing.T) {
	for _, key := range []string{"tokens", "gen_ai.token.type", "market", "passport", "mytoken", "cookie_count", "_", "", "-", "secretary"} {
		var out bytes.Buffer
		logs.New(logs.Config{Output: &out}, nil).Info("hello", key, "shown", "a", map[string]string{key: "shown"})
		if got := out.String(); strings.Count(got, "shown") != 2 {
			t.Errorf("key %q: %s", key, got)
		}
	}
}

func TestRedactReplacesTheSecrets(t *testing.T) {
	for name, c := range map[string]struct {
		redact []string
		want   string
	}{
		"the default":       {nil, `"iban":"DE1","token":"[REDACTED]"`},
		"others":            {[]string{"IBAN"}, `"iban":"[REDACTED]","token":"t"`},
		"others as well":    {append(logs.Secrets(), "iban"), `"iban":"[REDACTED]","token":"[REDACTED]"`},
		"none":              {[]string{}, `"iban":"DE1","token":"t"`},
		"an empty name":     {[]string{"", "_"}, `"iban":"DE1","token":"t"`},
		"name with a dot":   {[]string{"user.iban"}, `"iban":"DE1","token":"t"`},
		"a group's by With": {[]string{"iban"}, `"iban":"[REDACTED]","token":"t"`},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			logs.New(logs.Config{Output: &out, Redact: c.redact}, nil).Info("hello", "iban", "DE1", "token", "t")
			if !strings.Contains(out.String(), c.want) {
				t.Errorf("got %s, want %s in it", out.String(), c.want)
			}
		})
	}
}

func FuzzRedactedJSON(f *testing.F) {
	f.Add([]byte(`{"a":{"token":[1,{"b":"x\"}"}]},"c":"token"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if !json.Valid(data) {
			return
		}
		var out bytes.Buffer
		logs.New(logs.Config{Output: &out}, nil).Info("hello", "v", json.RawMessage(data))
		var line map[string]any
		dec := json.NewDecoder(&out)
		dec.UseNumber() // 1e1000 is valid JSON
		if err := dec.Decode(&line); err != nil {
			t.Fatalf("%s makes a line that is no JSON: %v", data, err)
		}
		var leak func(v any) bool
		leak = func(v any) bool {
			switch v := v.(type) {
			case map[string]any:
				for key, value := range v {
					if key == "token" && value != logs.Redacted || leak(value) {
						return true
					}
				}
			case []any:
				for _, value := range v {
					if leak(value) {
						return true
					}
				}
			}
			return false
		}
		if leak(line["v"]) {
			t.Errorf("%s is logged as %v", data, line)
		}
	})
}

func BenchmarkSecrets(b *testing.B) {
	for name, redact := range map[string][]string{"hidden": nil, "shown": {}} {
		b.Run(name, func(b *testing.B) {
			logger := logs.New(logs.Config{Output: io.Discard, Redact: redact}, nil)
			b.ReportAllocs()
			for b.Loop() {
				logger.LogAttrs(b.Context(), slog.LevelInfo, "hello", slog.Int("http.response.status_code", 200),
					slog.String("order.id", "o"), slog.String("customer.market", "DE"), slog.Int("attempt", 1), slog.Int("token.count", 1))
			}
		})
	}
}
