package shop

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gorilla/mux"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelkit/kit/examples/webstore/faults"
	"github.com/otelkit/kit/examples/webstore/jsonhttp"
	"github.com/otelkit/kit/examples/webstore/probes"
	"github.com/otelkit/kit/examples/webstore/telemetry"
	"github.com/otelkit/kit/otelkit/httpclient"
	"github.com/otelkit/kit/otelkit/metrics"
)

// mainFaults is the faults of this service at work, and what starts and stops those of
// the others. nil has none.
type mainFaults struct {
	*faults.Board
	control   *faults.Control
	client    *http.Client
	pool      *pgxpool.Pool
	log       *slog.Logger
	lock      faults.Lock
	observed  *metrics.Registration
	lastAdmin atomic.Pointer[[sha256.Size]byte] // what the last administrator sent as Authorization, hashed
}

func newMainFaults(ctx context.Context, cfg Config, pool *pgxpool.Pool, kit telemetryKit) (*mainFaults, error) {
	if cfg.Faults == nil {
		return nil, nil
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	client := &http.Client{Transport: httpclient.Transport(transport, httpclient.Config{Kit: kit}), CheckRedirect: jsonhttp.NoRedirects}
	f := &mainFaults{
		Board: cfg.Faults,
		control: faults.NewControl(cfg.Faults, client,
			faults.Peer{Service: faults.Payments, URL: cfg.PaymentsURL, Behind: []string{faults.PaymentProvider}},
			faults.Peer{Service: faults.Promotions, URL: cfg.PromotionsURL},
			faults.Peer{Service: faults.Inventory, URL: cfg.InventoryURL},
			faults.Peer{Service: faults.CRM, URL: cfg.CRMURL},
		),
		client: client,
		pool:   pool,
		log:    kit.Logger(),
	}
	ctx = metrics.NewContext(ctx, kit.Recorder())
	f.While(faults.ConnectionsExhausted, f.holdConnections)
	f.While(faults.CPUBurner, faults.BurnCPU)
	f.While(faults.HeapLeak, faults.LeakHeap)
	f.While(faults.LockFight, f.lock.Fight)
	f.While(faults.LogFlood, f.flood)
	f.While(faults.CardinalityBomb, func(on context.Context, a faults.Active) {
		bomb(metrics.NewContext(on, kit.Recorder()), a)
	})
	var err error
	f.observed, err = telemetry.ObserveFaults(ctx, f.Board)
	return f, err
}

func (f *mainFaults) close() {
	if f == nil {
		return
	}
	f.Close()
	_ = f.observed.Unregister()
	f.client.CloseIdleConnections()
}

// holdConnections takes every connection of the pool as it becomes free, and keeps it.
func (f *mainFaults) holdConnections(ctx context.Context, _ faults.Active) {
	for {
		held, err := f.pool.Acquire(ctx)
		if err == nil {
			defer held.Release()
			continue
		}
		if ctx.Err() != nil {
			return
		}
		pause(ctx, time.Second) // the database is away as well
	}
}

// flood logs without end.
func (f *mainFaults) flood(ctx context.Context, a faults.Active) {
	every(ctx, time.Duration(float64(time.Second)/a.Intensity), func() {
		f.log.WarnContext(ctx, "price rule has no currency, using the market's", "webstore.price_rule.id", rand.IntN(1000))
	})
}

// bomb records what no definition has foreseen: markets that do not exist, and a new
// product each time.
func bomb(ctx context.Context, a faults.Active) {
	every(ctx, time.Duration(float64(time.Second)/a.Intensity), func() {
		text := strconv.FormatUint(rand.Uint64(), 36)
		telemetry.ProductViews.Add(ctx, 1, telemetry.ProductViewAttrs{
			Market: telemetry.Market(text), Category: telemetry.Furniture, Product: text,
		})
	})
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// sleeping is a query that takes its time, on a connection that others wait for.
func (f *mainFaults) sleeping(ctx context.Context) error {
	_, err := f.pool.Exec(ctx, `SELECT pg_sleep($1)`, f.Intensity(faults.SlowQueries))
	return err
}

// trouble has the faults that are on strike requests before they are handled. Probes and
// those who control the faults are spared.
func (f *mainFaults) trouble(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		if !probes.Not(r) || strings.HasPrefix(r.URL.Path, adminPath) {
			next.ServeHTTP(w, r)
			return
		}
		if f.Wait(ctx, faults.MainLatency, "") != nil {
			return // nobody is there to be answered
		}
		if f.On(faults.LockFight) {
			f.lock.Pass()
		}
		if f.On(faults.SlowQueries) && mux.Vars(r)["country"] != "" {
			if err := f.sleeping(ctx); err != nil {
				f.log.WarnContext(ctx, "slow query failed", "exception.message", err.Error())
			}
		}
		if f.Hits(faults.Panics, "") {
			panic("assignment to entry in nil map")
		}
		if f.On(faults.BadRelease) {
			f.release(next).ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// newRelease is the feature flag of a release that is tried on some, and their share.
const (
	newRelease      = "main-new-release"
	newReleaseShare = 0.3
)

// release gives some requests the new release, and measures how both do.
func (f *mainFaults) release(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		release := telemetry.ReleaseA
		if rand.Float64() < newReleaseShare {
			release = telemetry.ReleaseB
		}
		span := trace.SpanFromContext(r.Context())
		// The event of OpenTelemetry's conventions for feature flags, on the span.
		span.AddEvent("feature_flag.evaluation", trace.WithAttributes(
			semconv.FeatureFlagKey(newRelease),
			semconv.FeatureFlagProviderName("webstore"),
			semconv.FeatureFlagResultVariant(string(release)),
			semconv.FeatureFlagResultReasonSplit,
		))
		answer := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		if release == telemetry.ReleaseB && f.Hits(faults.BadRelease, "") {
			err := errors.New("new release: no price for this cohort")
			f.log.ErrorContext(r.Context(), "request failed", "exception.message", err.Error(), "webstore.release", string(release))
			span.RecordError(err)
			span.SetStatus(codes.Error, err.Error())
			jsonhttp.Internal.Write(answer, r)
		} else {
			next.ServeHTTP(answer, r)
		}
		outcome := telemetry.ReleaseSucceeded
		if answer.status >= http.StatusInternalServerError {
			outcome = telemetry.ReleaseFailed
		}
		telemetry.ReleaseRequests.Add(r.Context(), 1, telemetry.ReleaseAttrs{Release: release, Outcome: outcome})
	})
}

// statusWriter keeps the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
