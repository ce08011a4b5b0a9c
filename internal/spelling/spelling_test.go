package spelling_test

import (
	"testing"

	"github.com/otelkit/kit/internal/spelling"
)

func TestNearestIsWithinTwoSlips(t *testing.T) {
	words := []string{"processors", "limits", "ca"}
	for word, want := range map[string]string{
		"procesors": "processors", "limit": "limits", "lmiits": "limits", "processors": "processors",
		"": "", "sampler": "", "xy": "", "x": "",
	} {
		if got := spelling.Nearest(word, words); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", word, got, want)
		}
	}
}
