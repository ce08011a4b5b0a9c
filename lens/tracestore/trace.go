package tracestore

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// maxTraceSpans is how many spans of one trace are given out.
const maxTraceSpans = 20_000

// ErrNotFound is returned for a trace that the store does not hold.
var ErrNotFound = errors.New("trace not found")

// ParseTraceID reads a trace id in hex. Leading zeros may be missing, as Tempo
// drops them.
func ParseTraceID(s string) (pcommon.TraceID, error) {
	if len(s) == 0 || len(s) > 32 {
		return pcommon.TraceID{}, fmt.Errorf("trace id %q has %d digits, want 1 to 32", s, len(s))
	}
	var id pcommon.TraceID
	if _, err := hex.Decode(id[:], []byte(strings.Repeat("0", 32-len(s))+s)); err != nil {
		return pcommon.TraceID{}, fmt.Errorf("trace id %q is not hexadecimal", s)
	}
	return id, nil
}

// Trace returns all spans of one trace in order of their start, grouped by
// resource and scope, or ErrNotFound.
func (s *Store) Trace(ctx context.Context, id pcommon.TraceID) (ptrace.Traces, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT otlp FROM span WHERE trace_id = ? ORDER BY start_ns, id LIMIT ?", id[:], maxTraceSpans)
	if err != nil {
		return ptrace.Traces{}, err
	}
	defer rows.Close()

	g := grouping{into: ptrace.NewTraces()}
	unmarshaler := ptrace.ProtoUnmarshaler{}
	for rows.Next() {
		var otlp []byte
		if err := rows.Scan(&otlp); err != nil {
			return ptrace.Traces{}, err
		}
		td, err := unmarshaler.UnmarshalTraces(otlp)
		if err != nil {
			return ptrace.Traces{}, fmt.Errorf("trace %s holds a span that cannot be read: %w", id, err)
		}
		g.add(td)
	}
	if err := rows.Err(); err != nil {
		return ptrace.Traces{}, err
	}
	if g.into.SpanCount() == 0 {
		return ptrace.Traces{}, ErrNotFound
	}
	return g.into, nil
}

// grouping puts single spans back under shared resources and scopes.
type grouping struct {
	into ptrace.Traces
}

func (g *grouping) add(td ptrace.Traces) {
	from := td.ResourceSpans().At(0)
	rs := g.resource(from)
	ss := scope(rs, from.ScopeSpans().At(0))
	from.ScopeSpans().At(0).Spans().At(0).MoveTo(ss.Spans().AppendEmpty())
}

func (g *grouping) resource(want ptrace.ResourceSpans) ptrace.ResourceSpans {
	for _, rs := range g.into.ResourceSpans().All() {
		if rs.SchemaUrl() == want.SchemaUrl() && rs.Resource().Attributes().Equal(want.Resource().Attributes()) {
			return rs
		}
	}
	rs := g.into.ResourceSpans().AppendEmpty()
	want.Resource().CopyTo(rs.Resource())
	rs.SetSchemaUrl(want.SchemaUrl())
	return rs
}

func scope(rs ptrace.ResourceSpans, want ptrace.ScopeSpans) ptrace.ScopeSpans {
	for _, ss := range rs.ScopeSpans().All() {
		if ss.SchemaUrl() == want.SchemaUrl() && ss.Scope().Name() == want.Scope().Name() &&
			ss.Scope().Version() == want.Scope().Version() && ss.Scope().Attributes().Equal(want.Scope().Attributes()) {
			return ss
		}
	}
	ss := rs.ScopeSpans().AppendEmpty()
	want.Scope().CopyTo(ss.Scope())
	ss.SetSchemaUrl(want.SchemaUrl())
	return ss
}
