package httpserver_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/otelkit/kit/otelkit/httpserver"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// start starts a server.
func start(http2 bool, h http.Handler) *httptest.Server {
	server := httptest.NewUnstartedServer(h)
	server.EnableHTTP2 = http2
	if http2 {
		server.StartTLS()
	} else {
		server.Start()
	}
	return server
}

// overWire serves h over a real connection and returns the answer, once the server
// has ended.
func overWire(t *testing.T, http2 bool, h http.Handler, request func(url string) (*http.Request, error)) (*http.Response, string) {
	t.Helper()
	server := start(http2, h)
	defer server.Close()
	r, err := request(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	response, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(answer)
}

func get(url string) (*http.Request, error) { return http.NewRequest(http.MethodGet, url, nil) }

func TestTheWriterHasTheInterfacesOfTheServers(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprint("http2=", http2), func(t *testing.T) {
			interfaces := func(w http.ResponseWriter) string {
				_, flusher := w.(http.Flusher)
				_, hijacker := w.(http.Hijacker)
				_, readerFrom := w.(io.ReaderFrom)
				_, pusher := w.(http.Pusher)
				_, stringWriter := w.(io.StringWriter)
				return fmt.Sprint(flusher, hijacker, readerFrom, pusher, stringWriter)
			}
			report := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, interfaces(w)) })
			_, bare := overWire(t, http2, report, get)
			_, wrapped := overWire(t, http2, httpserver.Wrap(report, httpserver.Config{Kit: newKit()}), get)
			if bare != wrapped {
				t.Errorf("flusher, hijacker, readerFrom, pusher, stringWriter: bare %s, wrapped %s", bare, wrapped)
			}
		})
	}
}

func TestStreamingReachesTheClientWhileTheHandlerRuns(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprint("http2=", http2), func(t *testing.T) {
			k := newKit()
			read := make(chan struct{})
			server := start(http2, httpserver.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				fmt.Fprintln(w, "first")
				w.(http.Flusher).Flush()
				select {
				case <-read:
				case <-r.Context().Done():
				}
				fmt.Fprintln(w, "second")
			}), httpserver.Config{Kit: k}))
			defer server.Close()
			response, err := server.Client().Get(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			lines := bufio.NewReader(response.Body)
			if line, err := lines.ReadString('\n'); line != "first\n" || err != nil {
				t.Fatalf("first line %q, %v", line, err)
			}
			close(read)
			if line, err := lines.ReadString('\n'); line != "second\n" || err != nil {
				t.Errorf("second line %q, %v", line, err)
			}
		})
	}
}

func TestFullDuplexWorks(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprint("http2=", http2), func(t *testing.T) {
			k := newKit()
			body, speak := io.Pipe()
			server := start(http2, httpserver.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
					t.Error(err)
					speak.Close() // else client and server wait for each other
					return
				}
				w.(http.Flusher).Flush()
				for lines := bufio.NewScanner(r.Body); lines.Scan(); {
					fmt.Fprintln(w, "heard", lines.Text())
					w.(http.Flusher).Flush()
				}
			}), httpserver.Config{Kit: k}))
			defer server.Close()
			defer speak.Close()
			r, err := http.NewRequest(http.MethodPost, server.URL, body)
			if err != nil {
				t.Fatal(err)
			}
			response, err := server.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			answers := bufio.NewReader(response.Body)
			for _, said := range []string{"one", "two", "three"} {
				fmt.Fprintln(speak, said)
				if answer, err := answers.ReadString('\n'); answer != "heard "+said+"\n" || err != nil {
					t.Fatalf("said %q, answer %q, %v", said, answer, err)
				}
			}
			speak.Close()
			if rest, err := io.ReadAll(answers); len(rest) > 0 || err != nil {
				t.Errorf("rest %q, %v", rest, err)
			}
			response.Body.Close()
			server.Close()
			if p := k.Points(t, "http.server.request.body.size"); len(p) != 1 || p[0].Sum != 14 {
				t.Errorf("request body %+v, want 14", p)
			}
		})
	}
}

func TestTrailersAndInformationalAnswersReachTheClient(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprint("http2=", http2), func(t *testing.T) {
			k := newKit()
			handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				sent, err := io.ReadAll(r.Body)
				if got := r.Trailer.Get("Sum"); err != nil || string(sent) != "order" || got != "5" {
					t.Errorf("read %q, %v, with the trailer %q", sent, err, got)
				}
				w.Header().Set("Link", "</style.css>")
				w.WriteHeader(http.StatusEarlyHints)
				w.Header().Set("Trailer", "Checked")
				w.WriteHeader(http.StatusAccepted)
				fmt.Fprint(w, "taken")
				w.Header().Set("Checked", "yes")
			})
			var early []string
			response, answer := overWire(t, http2, httpserver.Wrap(handler, httpserver.Config{Kit: k}), func(url string) (*http.Request, error) {
				trace := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
					Got1xxResponse: func(status int, header textproto.MIMEHeader) error {
						early = append(early, fmt.Sprint(status, " ", header.Get("Link")))
						return nil
					},
				})
				r, err := http.NewRequestWithContext(trace, http.MethodPost, url, io.MultiReader(strings.NewReader("order")))
				if err == nil {
					r.Trailer = http.Header{"Sum": {"5"}}
				}
				return r, err
			})
			if answer != "taken" || response.StatusCode != http.StatusAccepted || response.Trailer.Get("Checked") != "yes" || fmt.Sprint(early) != "[103 </style.css>]" {
				t.Errorf("answer %d %q, trailer %v, early %q", response.StatusCode, answer, response.Trailer, early)
			}
			attributes := k.duration(t).Attributes
			if got := text(attributes.ToSlice()); !strings.Contains(got, "status_code=202") {
				t.Errorf("metric has %s", got)
			}
		})
	}
}

// The handler of http.TimeoutHandler goes on after the answer, and may learn its route
// only then.
func TestARouteThatIsToldTooLateRacesWithNothing(t *testing.T) {
	k := newKit()
	arrived, told := make(chan struct{}), make(chan struct{})
	h := httpserver.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		go func() {
			defer close(told)
			close(arrived)
			httpserver.SetRoute(r, "/late")
		}()
		<-arrived
	}), httpserver.Config{Kit: k})
	serve(h, httptest.NewRequest(http.MethodGet, "/", nil))
	<-told
	if got := k.span(t).Name(); got != "GET" && got != "GET /late" { // as it happens
		t.Errorf("span %q", got)
	}
}

func TestHijackingWorks(t *testing.T) {
	k := newKit()
	wrapped := httpserver.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = rw.WriteString("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nraw!\n")
		_ = rw.Flush()
	}), httpserver.Config{Kit: k})
	returned := make(chan struct{}) // a server does not wait for who hijacks
	_, answer := overWire(t, false, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(returned)
		wrapped.ServeHTTP(w, r)
	}), get)
	<-returned
	if answer != "raw!\n" {
		t.Errorf("answer %q", answer)
	}
	attributes := k.duration(t).Attributes
	if got := text(attributes.ToSlice()); strings.Contains(got, "status_code") {
		t.Errorf("metric has %s; what was said on a hijacked connection is not known", got)
	}
}

func TestResponseControllerReachesTheServer(t *testing.T) {
	_, answer := overWire(t, false, httpserver.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		controller := http.NewResponseController(w)
		err := errors.Join(controller.SetReadDeadline(time.Time{}), controller.SetWriteDeadline(time.Time{}), controller.EnableFullDuplex(), controller.Flush())
		fmt.Fprint(w, err)
	}), httpserver.Config{Kit: newKit()}), get)
	if answer != "<nil>" {
		t.Errorf("errors %s", answer)
	}
}

func TestAFileIsSentWhole(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	content := strings.Repeat("x", 300_000)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	k := newKit()
	_, answer := overWire(t, false, httpserver.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, file) }), httpserver.Config{Kit: k}), get)
	if answer != content {
		t.Errorf("%d bytes came, want %d", len(answer), len(content))
	}
	if p := k.Points(t, "http.server.response.body.size"); len(p) != 1 || p[0].Sum != float64(len(content)) {
		t.Errorf("response body %+v, want %d", p, len(content))
	}
}

func TestTheServersReadFromIsUsed(t *testing.T) { // it sends files without copying them
	k := newKit()
	w := &readingFrom{ResponseRecorder: httptest.NewRecorder()}
	httpserver.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.Copy(w, struct{ io.Reader }{strings.NewReader("content")})
	}), httpserver.Config{Kit: k}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if w.read != 7 || k.Points(t, "http.server.response.body.size")[0].Sum != 7 {
		t.Errorf("ReadFrom got %d bytes, want 7", w.read)
	}
}

// readingFrom is a ResponseWriter with the optional interfaces of HTTP/1.1's.
type readingFrom struct {
	*httptest.ResponseRecorder
	http.Hijacker
	read int64
}

func (w *readingFrom) ReadFrom(src io.Reader) (n int64, err error) {
	w.read, err = io.Copy(w.ResponseRecorder, src)
	return w.read, err
}

func TestWhatAHandlerKeepsBelongsToItsRequestOnly(t *testing.T) {
	k := newKit()
	var keptWriter http.ResponseWriter
	var kept *http.Request
	mux := http.NewServeMux()
	mux.HandleFunc("GET /first/{id}", func(w http.ResponseWriter, r *http.Request) { keptWriter, kept = w, r })
	mux.HandleFunc("GET /second/{id}", func(w http.ResponseWriter, r *http.Request) {
		httpserver.SetRoute(kept, "/first/of/all")
		keptWriter.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(keptWriter, "late")
		if kept.PathValue("id") != "1" || trace.SpanContextFromContext(kept.Context()).Equal(trace.SpanContextFromContext(r.Context())) {
			t.Errorf("the request that was kept has become that of %s", kept.URL)
		}
		ok(w, r)
	})
	h := httpserver.Wrap(mux, httpserver.Config{Kit: k})
	first := serve(h, httptest.NewRequest(http.MethodGet, "/first/1", nil))
	second := serve(h, httptest.NewRequest(http.MethodGet, "/second/2", nil))
	if first.Body.String() != "late" || second.Body.String() != "ok" {
		t.Errorf("answers %q and %q", first.Body, second.Body)
	}
	span := k.Spans.Ended()[1]
	if got := text(span.Attributes()); span.Name() != "GET /second/{id}" || !strings.Contains(got, "http.response.status_code=200") || !strings.Contains(got, "url.path=/second/2") {
		t.Errorf("second span %q has %s", span.Name(), got)
	}
}

// With a pool behind them, the race detector would see the next request being written
// into the one that is read.
func TestARequestCanBeReadAfterItsHandlerHasReturned(t *testing.T) {
	var readers sync.WaitGroup
	server := start(false, httpserver.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		readers.Go(func() {
			<-r.Context().Done() // once the handler has returned
			if id := r.URL.Path[1:]; r.Header.Get("Id") != id || r.Pattern != "" || !trace.SpanContextFromContext(r.Context()).IsValid() {
				t.Errorf("request %s has become that of %s", id, r.Header.Get("Id"))
			}
		})
		ok(w, r)
	}), httpserver.Config{Kit: newKit()}))
	defer server.Close()
	for i := range 50 {
		r, err := get(fmt.Sprint(server.URL, "/", i))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Id", fmt.Sprint(i))
		response, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, response.Body)
		response.Body.Close()
	}
	server.Close()
	readers.Wait()
}

// net/http removes the files of the form that it finds in its own request.
func TestTheFilesOfAFormAreRemoved(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	var form bytes.Buffer
	parts := multipart.NewWriter(&form)
	file, err := parts.CreateFormFile("file", "name")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = file.Write(make([]byte, 100_000))
	parts.Close()
	stored := func() int {
		files, err := os.ReadDir(os.TempDir())
		if err != nil {
			t.Error(err)
		}
		return len(files)
	}
	overWire(t, false, httpserver.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if err := r.ParseMultipartForm(1); err != nil || stored() != 1 {
			t.Errorf("%v, %d files", err, stored())
		}
	}), httpserver.Config{Kit: newKit()}), func(url string) (*http.Request, error) {
		r, err := http.NewRequest(http.MethodPost, url, &form)
		if err == nil {
			r.Header.Set("Content-Type", parts.FormDataContentType())
		}
		return r, err
	})
	if n := stored(); n != 0 {
		t.Errorf("%d files are left", n)
	}
}

func TestHTTP2AndTLSAreNamed(t *testing.T) {
	k := newKit()
	overWire(t, true, httpserver.Wrap(http.HandlerFunc(ok), httpserver.Config{Kit: k}), get)
	attributes := k.duration(t).Attributes
	if got := text(attributes.ToSlice()); !strings.Contains(got, "network.protocol.version=2 url.scheme=https") {
		t.Errorf("metric has %s", got)
	}
	span := attribute.NewSet(k.span(t).Attributes()...)
	if port, ok := span.Value("server.port"); !ok || port.AsInt64() == 0 {
		t.Errorf("span has %s, want a server.port", text(k.span(t).Attributes()))
	}
}
