package main

import (
	"os"
	"runtime/debug"
)

// How a service of ours uses memory. Its live data are some 15 MiB; four times that
// before it is collected costs a third of the processor time that Go's default does,
// and the limit keeps a burst, such as of passwords to be hashed at 19 MiB each, from
// adding what is garbage already. Measured by cmd/load.
const (
	memoryLimit = 44 << 20
	gcPercent   = 300
)

// limitMemory has the process keep to them, where GOMEMLIMIT and GOGC do not say
// otherwise.
func limitMemory() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}
