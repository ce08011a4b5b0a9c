package observability

import (
	"fmt"
	"strings"

	"github.com/otelkit/kit/examples/webstore/faults"
	"github.com/otelkit/kit/examples/webstore/telemetry"
	"github.com/otelkit/kit/query"
)

const faultsHead = `<!-- ` + Notice + ` -->

# Faults

The store can be broken on purpose, to see what its telemetry says of trouble:

    webstore fault start provider-failing --for 5m --market DE
    webstore fault status
    webstore fault stop all

What is broken is really broken, in the service that has the fault. A fault ends by itself, after %v minutes unless ` + "`--for`" + ` says otherwise and after %v at most. There are faults only in a store with demo data (` + "`webstore up`" + `), or whose services share a ` + "`WEBSTORE_FAULTS_KEY`" + `; starting one takes the token of an administrator. Each service's own faults that are on are in the metric ` + "`%s`" + `.

`

// FaultsPage is the reference of all faults: what each does, how it shows, and what
// helps against the real thing.
func FaultsPage() (File, error) {
	active, err := query.Series(telemetry.ActiveFaults, nil, query.Target{})
	if err != nil {
		return File{}, err
	}
	var page strings.Builder
	fmt.Fprintf(&page, faultsHead, faults.DefaultFor.Minutes(), faults.LongestFor.Minutes(), active)
	page.WriteString("| Fault | In | Does |\n|---|---|---|\n")
	for _, f := range faults.All {
		fmt.Fprintf(&page, "| [%s](#%[1]s) | %s | %s |\n", f.Name, strings.Join(f.Services, ", "), f.Does)
	}
	for _, t := range Troubles {
		if err := writeTrouble(&page, t); err != nil {
			return File{}, fmt.Errorf("fault %s: %w", t.Fault, err)
		}
	}
	return File{FaultsFile, []byte(page.String())}, nil
}

func writeTrouble(page *strings.Builder, t Trouble) error {
	f, _ := faults.Find(t.Fault)
	fmt.Fprintf(page, "\n## %s\n\n%s", f.Name, f.Does)
	if i := f.Intensity; i.Means != "" {
		fmt.Fprintf(page, " `--intensity` is %s, from %v to %v; without it %v.", i.Means, i.Min, i.Max, i.Default)
	}
	if f.ByMarket {
		page.WriteString(" `--market` limits it to one.")
	}
	page.WriteString("\n\n")
	for _, s := range t.Shows {
		text, err := s.Expr.PromQL(query.Target{Rule: true})
		if err != nil {
			return err
		}
		fmt.Fprintf(page, "- `%s` %s.\n", text, s.Does)
	}
	if t.Look != "" {
		fmt.Fprintf(page, "- %s\n", t.Look)
	}
	page.WriteString("- Panels: ")
	for i, p := range t.Panels {
		if i > 0 {
			page.WriteString(", ")
		}
		fmt.Fprintf(page, "%s (%s)", p.Panel, p.Dashboard)
	}
	page.WriteString(".\n")
	for _, alert := range t.Alerts {
		fmt.Fprintf(page, "- Fires [%s](../runbooks/%[1]s.md).\n", alert)
	}
	fmt.Fprintf(page, "\nWhat helps: %s\n", t.Help)
	return nil
}
