package configfile_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/otelkit/kit/otelkit"
	"github.com/otelkit/kit/otelkit/configfile"
	"github.com/otelkit/kit/otelkit/logs"
)

func ExampleLoad() {
	// What an operator does: a file, and the variable that names it.
	dir, err := os.MkdirTemp("", "configfile")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "otel.yaml")
	file := `
file_format: "1.0"
tracer_provider:
  processors: []
  sampler:
    always_off:
`
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		fmt.Println(err)
		return
	}
	os.Setenv("OTEL_CONFIG_FILE", path)
	defer os.Unsetenv("OTEL_CONFIG_FILE")

	// What the service does.
	ctx := context.Background()
	kit, err := otelkit.Start(ctx, otelkit.Config{
		Service:    "shop",
		ConfigFile: configfile.Load,
		Logs:       logs.Config{Output: io.Discard},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer kit.Shutdown(ctx)

	_, span := kit.TracerProvider().Tracer("shop").Start(ctx, "show product")
	defer span.End()
	fmt.Println("recorded:", span.IsRecording())
	// Output: recorded: false
}
