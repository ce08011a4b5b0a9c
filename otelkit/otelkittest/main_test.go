package otelkittest_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"github.com/otelkit/kit/otelkit/otelkittest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a testing.TB that keeps what a test says when it fails.
type fake struct {
	testing.TB
	said []string
}

func (f *fake) Helper()      {}
func (f *fake) Name() string { return "TestShop" }

func (f *fake) Errorf(format string, args ...any) {
	f.said = append(f.said, fmt.Sprintf(format, args...))
}

func (f *fake) Fatalf(format string, args ...any) {
	f.Errorf(format, args...)
	runtime.Goexit()
}

// failure returns what assertions say, "" if they hold. They run in a bubble, so
// that waiting takes no time.
func failure(t *testing.T, assert func(tel *otelkittest.Kit)) string {
	t.Helper()
	var said []string
	synctest.Test(t, func(t *testing.T) {
		f := &fake{TB: t}
		done := make(chan struct{})
		go func() {
			defer close(done)
			assert(otelkittest.New(f))
		}()
		<-done
		said = f.said
	})
	return strings.Join(said, "\n")
}
