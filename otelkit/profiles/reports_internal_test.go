package profiles

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestAFailureIsLoggedOnceAMinuteWithHowOftenItCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines bytes.Buffer
		r := newReports(nil, false)
		r.log = slog.New(slog.NewTextHandler(&lines, nil))
		for range 90 {
			r.Errorf("upload profile: %v", "refused")
			time.Sleep(time.Second)
		}
		r.flush()
		r.flush() // has nothing left to say
		var got []string
		for line := range strings.Lines(lines.String()) {
			got = append(got, line[strings.Index(line, "err="):])
		}
		want := `err="upload profile: refused" times=1
err="upload profile: refused" times=60
err="upload profile: refused" times=29
`
		if strings.Join(got, "") != want {
			t.Errorf("got\n%swant\n%s", strings.Join(got, ""), want)
		}
	})
}
