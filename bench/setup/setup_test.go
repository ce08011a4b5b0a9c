// Package setup_test measures what a set-up adds to a program, that of otelkit beside
// those of OpenTelemetry's contrib repository (autoexport v0.72.0 by variables, otelconf
// v0.27.0 by a file) and beside the SDKs wired by hand. What the programs do is in the
// folders beside this file.
//
//	go test -run '^$' -bench . -benchmem ./setup
package setup_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// BenchmarkBinary is the size of a program that serves HTTP, stripped.
func BenchmarkBinary(b *testing.B) {
	for _, who := range []string{"bare", "otelkit", "autoexport", "otelconf", "byhand"} {
		b.Run(who, func(b *testing.B) {
			program := filepath.Join(b.TempDir(), who)
			build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, "./"+who)
			if output, err := build.CombinedOutput(); err != nil {
				b.Fatalf("%v\n%s", err, output)
			}
			info, err := os.Stat(program)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(info.Size())/1e6, "MB")
		})
	}
}
