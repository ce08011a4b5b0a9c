// Package page is lens' plain page: services, alerts, dashboards, traces and
// logs, rendered on the server, readable without JavaScript, by a screen
// reader and on a phone.
//
// Templates stand in templates/, one a view inside layout.html. A view is a
// method that collects what its template shows.
package page

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/otelkit/kit/lens/dashboard"
	"github.com/otelkit/kit/lens/logstore"
	"github.com/otelkit/kit/lens/promstore"
	"github.com/otelkit/kit/lens/tracestore"
)

//go:embed templates/*.html
var templates embed.FS

//go:embed static
var static embed.FS

// Config says what the page shows. All fields but Log are required.
type Config struct {
	Metrics    *promstore.Store
	Traces     *tracestore.Store
	Logs       *logstore.Store
	Dashboards []dashboard.Dashboard
	Version    string
	Log        *slog.Logger // nil discards
}

// Page serves the views.
type Page struct {
	Config
	views map[string]*template.Template
	now   func() time.Time
}

// New returns a Page.
func New(cfg Config) *Page {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	p := &Page{Config: cfg, views: map[string]*template.Template{}, now: time.Now}
	for _, view := range []string{"home", "traces", "trace", "logs", "dashboard", "error"} {
		p.views[view] = template.Must(template.New("layout.html").Funcs(functions).ParseFS(templates, "templates/layout.html", "templates/parts.html", "templates/"+view+".html"))
	}
	return p
}

// Register adds the views to a mux.
func (p *Page) Register(mux *http.ServeMux) {
	mux.Handle("GET /{$}", p.view("home", p.home))
	mux.Handle("GET /traces", p.view("traces", p.traces))
	mux.Handle("GET /traces/{id}", p.view("trace", p.trace))
	mux.Handle("GET /logs", p.view("logs", p.logs))
	mux.Handle("GET /dashboards/{uid}", p.view("dashboard", p.dashboard))
	mux.HandleFunc("GET /d/{uid}", func(w http.ResponseWriter, r *http.Request) {
		// Grafana's path, which the annotations of alerts hold.
		http.Redirect(w, r, "/dashboards/"+url.PathEscape(r.PathValue("uid")), http.StatusFound)
	})
	mux.Handle("GET /static/", http.FileServerFS(static))
}

// policy lets the page load its own style sheet and nothing else.
const policy = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// A notFound is an error that is answered with 404.
type notFound struct{ what string }

func (e notFound) Error() string { return e.what + " is not here" }

// document is what layout.html gets.
type document struct {
	Title   string
	Version string
	View    any
}

// view renders a template with what collect returns, a title and a model.
func (p *Page) view(name string, collect func(*http.Request) (title string, model any, err error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		code, view := http.StatusOK, name
		title, model, err := collect(r)
		if err != nil {
			code = http.StatusInternalServerError
			if _, ok := errors.AsType[notFound](err); ok {
				code = http.StatusNotFound
			}
			view, title, model = "error", http.StatusText(code), err.Error()
		}
		var body bytes.Buffer // so that an error half-way does not send half a page
		if err := p.views[view].Execute(&body, document{title, p.Version, model}); err != nil {
			p.Log.Error("page could not be rendered", "view", view, "err", err)
			http.Error(w, fmt.Sprintf("view %s: %v", view, err), http.StatusInternalServerError)
			return
		}
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", policy)
		h.Set("Referrer-Policy", "same-origin")
		w.WriteHeader(code)
		w.Write(body.Bytes())
	})
}
