package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
)

// version is set by the linker (see the Makefile).
var version string

// currentVersion is what the linker was told, or else the module's version as
// go install records it.
func currentVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "dev"
}

func prepareVersion(*flags) func(context.Context, io.Writer, io.Writer) error {
	return func(_ context.Context, out, _ io.Writer) error {
		_, err := fmt.Fprintf(out, "webstore %s (%s, %s/%s)\n", currentVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
		return err
	}
}
