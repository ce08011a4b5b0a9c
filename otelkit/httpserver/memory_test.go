package httpserver_test

import (
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/otelkit/kit/otelkit/httpserver"
)

// net/http cuts method, path and host out of the request's first line, and a part of a
// string keeps the whole of it: 2,048 spans in a queue could keep two gigabytes.
func TestWhatIsRecordedDoesNotKeepTheRequestsFirstLineInMemory(t *testing.T) {
	k := newKit()
	h := httpserver.Wrap(http.HandlerFunc(ok), httpserver.Config{Kit: k})
	freed := make(chan struct{})
	func() {
		line := []byte("BREW http://shop.example.com/orders?q=" + strings.Repeat("x", 1<<20))
		runtime.AddCleanup(&line[0], func(freed chan struct{}) { close(freed) }, freed)
		first := unsafe.String(&line[0], len(line))
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Method, r.RequestURI, r.Host, r.URL.Path, r.URL.RawQuery = first[:4], first[5:], first[12:28], first[28:35], first[36:]
		serve(h, r)
		if got := text(k.span(t).Attributes()); !strings.Contains(got, "http.request.method_original=BREW") ||
			!strings.Contains(got, "server.address=shop.example.com url.path=/orders url.query=q=REDACTED") {
			t.Errorf("span has %s", got)
		}
	}()
	for deadline := time.Now().Add(10 * time.Second); ; {
		runtime.GC()
		select {
		case <-freed:
			runtime.KeepAlive(k)
			return
		case <-time.After(time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatal("something that was recorded keeps the request's first line")
		}
	}
}
