package httpnames

import (
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/otelkit/kit/otelkit/metrics"
)

func TestTheKnownMethodsAreThoseThatTheVariableLists(t *testing.T) {
	for listed, want := range map[string][]Method{
		"GET,PURGE":          {"GET", "PURGE"},
		" GET , PURGE ,":     {"GET", "PURGE"},
		"GET,,GET,PURGE,GET": {"GET", "PURGE"}, // a value that stood twice made every HTTP metric wrong, and otelkit.Start fail
	} {
		t.Setenv("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", listed)
		if got := Method("").Values(); !slices.Equal(got, want) {
			t.Errorf("%q: methods %q, want %q", listed, got, want)
		}
	}
	for _, nothing := range []string{"", " ", ","} {
		t.Setenv("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", nothing)
		if got := Method("").Values(); len(got) != 10 || got[0] != "GET" {
			t.Errorf("%q: methods %q, want those of the conventions", nothing, got)
		}
	}
}

func TestAMethodDoesNotKeepItsRequestInMemory(t *testing.T) {
	line := strings.Repeat("G", 1) + "ET /" + strings.Repeat("x", 1<<20)
	method := MethodOf(line[:3])
	if method != "GET" || unsafe.StringData(string(method)) == unsafe.StringData(line) {
		t.Errorf("method %q is part of the request's line, which every series that has it would keep", method)
	}
	if got := MethodOf("get"); got != metrics.Other {
		t.Errorf("get is %q, want %q", got, metrics.Other)
	}
}

func TestWhatIsClippedIsShortTextOfItsOwn(t *testing.T) {
	long := strings.Repeat("é", Longest)
	if got := Clip("x" + long); len(got) > Longest+2 || !strings.HasSuffix(got, "é\uFFFD") {
		t.Errorf("%d bytes that end in %q", len(got), got[len(got)-6:])
	}
	if got := Clip(long); len(got) != Longest || unsafe.StringData(got) == unsafe.StringData(long) {
		t.Errorf("%d bytes, want %d that do not keep the others in memory", len(got), Longest)
	}
	if got := Clip("a\xff"); got != "a\uFFFD" {
		t.Errorf("got %q", got)
	}
}

func TestAVersionIsOneOfThoseInUse(t *testing.T) {
	for want, version := range map[Protocol][2]int{"1.0": {1, 0}, "1.1": {1, 1}, "2": {2, 0}, "3": {3, 0}, metrics.Other: {4, 2}} {
		if got := ProtocolOf(version[0], version[1]); got != want {
			t.Errorf("%v is %q, want %q", version, got, want)
		}
	}
}
