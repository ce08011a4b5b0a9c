package main_test

import (
	"regexp"
	"strings"
	"testing"
)

func TestWrongUsageIsOneLineAndStatus2(t *testing.T) {
	for name, test := range map[string]struct {
		env  string
		args string
		want string
	}{
		"no command":         {"", "", "begin with webstore up"},
		"unknown command":    {"", "pay", `no command "pay"; see webstore help`},
		"misspelt command":   {"", "trafic", `did you mean "traffic"?`},
		"no role":            {"", "serve", "serve what? There are main, payments, promotions, payment-provider, crm, inventory"},
		"misspelt role":      {"", "serve payment", `did you mean "payments"?`},
		"unknown flag":       {"", "up --colour", "up has no flag --colour; see webstore help up"},
		"misspelt flag":      {"", "up --trafic off", `did you mean "traffic"?`},
		"flag of another":    {"", "version --seed 1", "version has no flag --seed"},
		"flag without value": {"", "up --main-addr", "up: flag needs an argument"},
		"not a number":       {"", "up --traffic lots", `for flag --traffic: want a number above 0, such as 5, or "off"`},
		"negative":           {"", "up --latency-scale -1", "want a number from 0 up"},
		"no limit":           {"", "up --limit-per-user 0", `for flag --limit-per-user: want a whole number from 1 to 1000000, such as 200, or "off"`},
		"no network":         {"", "serve main --trusted-proxies 10.0.0.1", `"10.0.0.1" is no network; want some such as 10.0.0.0/8,::1/128, or none`},
		"not a time":         {"", "traffic --duration 5", "want a time, such as 500ms, 5s or 2m"},
		"an argument":        {"", "up now", `up takes no argument "now"`},
		"wrong variable":     {"WEBSTORE_FAILURE_SCALE=none", "up", "WEBSTORE_FAILURE_SCALE=none: want a number from 0 up"},
		"too many shoppers":  {"", "traffic --users 10001", "at most 10000 --users"},
		"misspelt scenario":  {"", "traffic --scenario flashsale", `did you mean "flash-sale"?`},
		"no shoppers":        {"", "traffic --users 0", "needs --users and --rate above 0"},
		"no database":        {"", "serve payments", "serve payments needs --database-url or DATABASE_URL"},
		"no Redis":           {"DATABASE_URL=postgres:///webstore", "serve main", "serve main needs --redis-url or REDIS_URL"},
		"no fault command":   {"", "fault", "fault what? There are list, start, stop, status"},
		"no fault":           {"", "fault start", "fault start needs a NAME; see webstore help fault start"},
		"two faults":         {"", "fault stop panics log-flood", `fault stop takes no argument "log-flood"`},
		"unknown fault":      {"", "fault start earthquake", `there is no fault "earthquake"; see webstore fault list`},
		"misspelt fault":     {"", "fault start provider-failling --for 1m", `did you mean "provider-failing"?`},
		"fault for no time":  {"", "fault start panics --for 0s", "--for has to be more than 0s"},
		"fault of no store":  {"", "fault status --url main", "--url main is no URL of the shop, such as http://127.0.0.1:8000"},
		"unknown help":       {"", "help trafic", `did you mean "traffic"?`},
	} {
		t.Run(name, func(t *testing.T) {
			p := command(t, []string{test.env}, strings.Fields(test.args)...).start()
			if got := p.status(); got != 2 {
				t.Errorf("status %d, want 2", got)
			}
			p.saysOneLine(test.want)
		})
	}
}

// saysOneLine checks that the process, which has ended, printed nothing but an
// error with the words wanted.
func (p *process) saysOneLine(want ...string) {
	p.t.Helper()
	errs := p.complaint()
	if !strings.HasPrefix(errs, "webstore: ") || strings.Count(errs, "\n") != 1 || p.out.String() != "" {
		p.t.Errorf("want an error of one line, got %v", p)
	}
	for _, words := range want {
		if !strings.Contains(errs, words) {
			p.t.Errorf("want %q in %v", words, p)
		}
	}
	p.leftNothingRunning()
}

// progressLine is what up says when a start takes long, as it does on a machine
// that is busy.
var progressLine = regexp.MustCompile(`(?m)^(starting; .*|  \S+ +ready after .*)\n`)

// complaint is what the process printed as errors, without its progress.
func (p *process) complaint() string { return progressLine.ReplaceAllString(p.errs.String(), "") }

func (p *process) leftNothingRunning() {
	p.t.Helper()
	for _, pid := range descendants() {
		p.t.Errorf("left running: %d %s", pid, commandLine(pid))
	}
}

func TestHelpKnowsEveryCommandAndItsFlags(t *testing.T) {
	for args, want := range map[string]string{
		"help":          "webstore serve payment-provider",
		"serve crm -h":  "(127.0.0.1:8092)",
		"--help":        "webstore traffic",
		"help up":       "--main-addr address",
		"up --help":     "--ephemeral",
		"up -h":         "(127.0.0.1:8000)",
		"help serve":    "webstore serve payments: run the service",
		"help fault":    "webstore fault stop: end a fault",
		"fault list":    "share of charges, 0.01 to 1 (1)",
		"serve main -h": "--database-url by DATABASE_URL",
		"--version":     "webstore ",
		"version":       "webstore ",
	} {
		t.Run(args, func(t *testing.T) {
			p := command(t, nil, strings.Fields(args)...).start()
			if status := p.status(); status != 0 || !strings.Contains(p.out.String(), want) || p.errs.String() != "" {
				t.Errorf("status %d, want 0 and %q in %v", status, want, p)
			}
		})
	}
}
