package checkup

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/otelkit/kit/otelkit/health"
)

// String is the report as a table, and below it what is wrong and for whom.
func (r Report) String() string {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "LAYER\tPART\tSTATUS\tTIME\tIMPORTANCE")
	for _, p := range parts {
		if result, ok := r.Results[p.name]; ok {
			fmt.Fprintf(table, "%d %v\t%s\t%s\t%s\t%s\n", int(p.layer), p.layer, p.name, result.Status, answered(result.Took), result.Criticality)
		}
	}
	_ = table.Flush() // to a strings.Builder
	text.WriteByte('\n')
	unwell := 0
	for _, p := range parts {
		result, ok := r.Results[p.name]
		if !ok || result.Status == Healthy {
			continue
		}
		unwell++
		fmt.Fprintf(&text, "%s is %s: %s\n", p.name, result.Status, result.Error)
		if result.Impact != "" {
			fmt.Fprintf(&text, "    without it: %s\n", result.Impact)
		}
		if len(result.NeededBy) > 0 {
			fmt.Fprintf(&text, "    needed by: %s\n", strings.Join(result.NeededBy, ", "))
		}
	}
	fmt.Fprintf(&text, "%s: %d of %d parts are well (%s)\n", r.Overall, len(r.Results)-unwell, len(r.Results), milliseconds(r.Took))
	return text.String()
}

// answered writes how long an answer took, or nothing if there was none.
func answered(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return milliseconds(d)
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
}

// MarshalJSON writes the report for programs: overall_status, timestamp,
// duration_seconds, services by name and dependency_graph, which says of each what
// it needs.
func (r Report) MarshalJSON() ([]byte, error) {
	type service struct {
		Status       Status             `json:"status"`
		Layer        int                `json:"layer"`
		Criticality  health.Criticality `json:"criticality"`
		ResponseTime *float64           `json:"response_time_ms"` // null if there was no answer
		Error        string             `json:"error"`
		Impact       string             `json:"impact,omitempty"`
		NeededBy     []string           `json:"needed_by,omitempty"`
	}
	services := map[string]service{}
	for name, result := range r.Results {
		s := service{Status: result.Status, Layer: int(result.Layer), Criticality: result.Criticality, Error: result.Error, Impact: result.Impact, NeededBy: result.NeededBy}
		if result.Took > 0 {
			ms := float64(result.Took.Microseconds()) / 1000
			s.ResponseTime = &ms
		}
		services[name] = s
	}
	return json.Marshal(struct {
		Overall   Status              `json:"overall_status"`
		Timestamp string              `json:"timestamp"`
		Duration  float64             `json:"duration_seconds"`
		Services  map[string]service  `json:"services"`
		Graph     map[string][]string `json:"dependency_graph"`
	}{r.Overall, r.At.UTC().Format(time.RFC3339), float64(r.Took.Microseconds()) / 1e6, services, r.DependsOn})
}
