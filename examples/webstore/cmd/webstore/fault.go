package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/otelkit/kit/examples/webstore/faults"
)

const faultHelp = `
What is broken is really broken, and telemetry shows it as it would any trouble:
webstore fault list says what there is. A fault ends by itself.

The store must have been started with its demo data: the token without which
nobody may do this is that of the demo user admin.
`

// demoAdminToken is that of the demo user admin.
const demoAdminToken = "admin-token-456"

// admin is who asks main about its faults.
type admin struct{ url, token string }

func (f *flags) admin(a *admin) {
	f.StringVar(&a.url, "url", "http://127.0.0.1:8000", "`URL` of the shop's API")
	f.StringVar(&a.token, "token", demoAdminToken, "`token` of an administrator")
}

func prepareFaultList(*flags) func(context.Context, io.Writer, io.Writer) error {
	return func(_ context.Context, out, _ io.Writer) error {
		for _, fault := range faults.All {
			fmt.Fprintf(out, "%-22s %s\n", fault.Name, fault.Does)
			fmt.Fprintf(out, "%-22s in %s%s\n", "", strings.Join(fault.Services, ", "), choices(fault))
		}
		return nil
	}
}

// choices says what can be chosen of a fault.
func choices(f faults.Fault) string {
	var text string
	if f.ByMarket {
		text += "; --market"
	}
	if i := f.Intensity; i.Means != "" {
		text += fmt.Sprintf("; --intensity is %s, %v to %v (%v)", i.Means, i.Min, i.Max, i.Default)
	}
	return text
}

func prepareFaultStart(f *flags) func(context.Context, io.Writer, io.Writer) error {
	var (
		a    admin
		name string
		body faults.Request
	)
	f.argument(&name, "NAME")
	f.admin(&a)
	lasts := f.span("for", faults.DefaultFor, "`time` after which it ends by itself, at most "+faults.LongestFor.String())
	f.StringVar(&body.Market, "market", "", "the only `market` that it is to strike, if it can be limited to one")
	intensity := f.number("intensity", 0, "how bad it is, a `number` that fault list explains; 0 for the fault's own")
	return func(ctx context.Context, out, _ io.Writer) error {
		if err := knownFault(name); err != nil {
			return err
		}
		if *lasts == 0 {
			return usagef("fault start: --for has to be more than 0s")
		}
		body.For, body.Intensity = lasts.String(), *intensity
		states, err := a.ask(ctx, http.MethodPut, "/"+name, body)
		if err != nil {
			return err
		}
		printStates(out, states)
		return nil
	}
}

func prepareFaultStop(f *flags) func(context.Context, io.Writer, io.Writer) error {
	var (
		a    admin
		name string
	)
	f.argument(&name, "NAME")
	f.admin(&a)
	return func(ctx context.Context, out, _ io.Writer) error {
		path := ""
		if name != "all" {
			if err := knownFault(name); err != nil {
				return err
			}
			path = "/" + name
		}
		states, err := a.ask(ctx, http.MethodDelete, path, nil)
		if err != nil {
			return err
		}
		if len(states) == 0 {
			fmt.Fprintln(out, "no fault was on")
		}
		printStates(out, states)
		return nil
	}
}

func prepareFaultStatus(f *flags) func(context.Context, io.Writer, io.Writer) error {
	var a admin
	f.admin(&a)
	return func(ctx context.Context, out, _ io.Writer) error {
		states, err := a.ask(ctx, http.MethodGet, "", nil)
		if err != nil {
			return err
		}
		states = slices.DeleteFunc(states, func(s faults.State) bool { return !s.On && s.Unknown == "" })
		if len(states) == 0 {
			fmt.Fprintln(out, "no fault is on")
		}
		printStates(out, states)
		return nil
	}
}

func knownFault(name string) error {
	if _, ok := faults.Find(faults.Name(name)); ok {
		return nil
	}
	names := []string{"all"}
	for _, f := range faults.All {
		names = append(names, string(f.Name))
	}
	return usagef("there is no fault %q%s; see webstore fault list", name, didYouMean(name, names))
}

func printStates(out io.Writer, states []faults.State) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	defer table.Flush()
	for _, s := range states {
		fmt.Fprintf(table, "%s\t%s\t%s\n", s.Name, s.Service, describeState(s))
	}
}

func describeState(s faults.State) string {
	switch {
	case s.Unknown != "":
		return "unknown: " + s.Unknown
	case !s.On:
		return "off"
	}
	text := "on until " + s.Ends.Local().Format(time.TimeOnly)
	if s.Market != "" {
		text += ", in " + s.Market
	}
	if f, ok := faults.Find(s.Name); ok && f.Intensity.Means != "" {
		text += fmt.Sprintf(", %v %s", s.Intensity, f.Intensity.Means)
	}
	return text
}

// adminTimeout is how long main may take, which asks others.
const adminTimeout = 15 * time.Second

// ask asks main for something about its faults, and explains why it did not do it.
func (a admin) ask(ctx context.Context, method, path string, body any) ([]faults.State, error) {
	base, err := url.Parse(a.url)
	if err != nil || base.Host == "" {
		return nil, usagef("--url %s is no URL of the shop, such as http://127.0.0.1:8000", a.url)
	}
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, base.JoinPath("/admin/faults"+path).String(), bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+a.token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("the store does not answer: %w; start it (webstore up) or pass --url", err)
	}
	defer response.Body.Close()
	var answer struct {
		Faults []faults.State `json:"faults"`
		Type   string         `json:"type"`
		Title  string         `json:"title"`
		Detail string         `json:"detail"`
	}
	err = json.NewDecoder(response.Body).Decode(&answer)
	switch status := response.StatusCode; {
	case status == http.StatusOK && err == nil:
		return answer.Faults, nil
	case status == http.StatusUnauthorized:
		return nil, fmt.Errorf("the store does not know the token; pass --token with that of an administrator")
	case status == http.StatusForbidden:
		return nil, fmt.Errorf("the token is not that of an administrator; pass --token")
	case status == http.StatusNotFound && !strings.HasSuffix(answer.Type, ":unknown_fault"):
		return nil, fmt.Errorf("there are no faults at %s: the store has to run with its demo data, or with WEBSTORE_FAULTS_KEY set for all of its services", a.url)
	case err != nil || answer.Type == "":
		return nil, fmt.Errorf("%s answers with %s, which is not the shop's API", a.url, response.Status)
	}
	return nil, fmt.Errorf("%s", cmp.Or(answer.Detail, answer.Title))
}
