package lens

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/otelkit/kit/lens/dashboard"
	"github.com/otelkit/kit/lens/tally"
)

// registerStatus adds what lens says about itself, and the dashboards:
//
//	GET /-/ready, /-/healthy
//	GET /api/status               what was received, stored, dropped by cause; bytes on disk
//	GET /api/dashboards           uid, title, tags and file of each
//	GET /api/dashboards/{uid}     the file
func (s *Server) registerStatus(mux *http.ServeMux) {
	for _, path := range []string{"ready", "healthy"} {
		mux.HandleFunc("GET /-/"+path, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, "lens is %s\n", path) })
	}
	mux.HandleFunc("GET /api/status", s.serveStatus)
	mux.HandleFunc("GET /api/dashboards", s.serveDashboards)
	mux.HandleFunc("GET /api/dashboards/{uid}", s.serveDashboard)
}

type (
	statusJSON struct {
		Version   string                      `json:"version"`
		Started   time.Time                   `json:"started"`
		DataDir   string                      `json:"dataDir"`
		Ephemeral bool                        `json:"ephemeral"`
		Retention string                      `json:"retention"`
		MaxBytes  int64                       `json:"maxBytes"`
		Bytes     int64                       `json:"bytes"` // on disk, of all signals
		Rules     []string                    `json:"rules"`
		Signals   map[tally.Signal]signalJSON `json:"signals"`
	}
	// signalJSON counts since the start (tally.Counts) and what there is now.
	signalJSON struct {
		tally.Counts
		Rows     int64 `json:"rows,omitempty"`   // spans or log records
		Series   int64 `json:"series,omitempty"` // of metrics, in the last hours
		Bytes    int64 `json:"bytes"`
		MaxBytes int64 `json:"maxBytes"`
	}
)

func (s *Server) serveStatus(w http.ResponseWriter, r *http.Request) {
	traces, err := s.traces.Usage(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	logs, err := s.logs.Usage(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	metrics, counts, limit := s.metrics.Usage(), s.tally.Snapshot(), s.cfg.MaxBytes
	writeJSON(w, statusJSON{
		Version: s.cfg.Version, Started: s.started, DataDir: s.dir.Path(), Ephemeral: s.cfg.Ephemeral,
		Retention: s.cfg.Retention.String(), MaxBytes: limit, Bytes: traces.Bytes + logs.Bytes + metrics.Bytes,
		Rules: append([]string{}, s.rules...),
		Signals: map[tally.Signal]signalJSON{
			tally.Traces:  {Counts: counts[tally.Traces], Rows: traces.Rows, Bytes: traces.Bytes, MaxBytes: limit / tracesShare},
			tally.Logs:    {Counts: counts[tally.Logs], Rows: logs.Rows, Bytes: logs.Bytes, MaxBytes: limit / logsShare},
			tally.Metrics: {Counts: counts[tally.Metrics], Series: metrics.Series, Bytes: metrics.Bytes, MaxBytes: limit / metricsShare},
		},
	})
}

type dashboardJSON struct {
	UID   string   `json:"uid"`
	Title string   `json:"title"`
	Tags  []string `json:"tags"`
	File  string   `json:"file"`
}

func (s *Server) serveDashboards(w http.ResponseWriter, _ *http.Request) {
	list := []dashboardJSON{}
	for _, d := range s.dashboards {
		list = append(list, dashboardJSON{d.UID, d.Title, append([]string{}, d.Tags...), d.File})
	}
	writeJSON(w, list)
}

func (s *Server) serveDashboard(w http.ResponseWriter, r *http.Request) {
	uid := r.PathValue("uid")
	i := slices.IndexFunc(s.dashboards, func(d dashboard.Dashboard) bool { return d.UID == uid })
	if i < 0 {
		http.Error(w, fmt.Sprintf("no dashboard has the uid %q", uid), http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(s.dashboards[i].JSON)
}

func writeJSON(w http.ResponseWriter, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(data)
}
