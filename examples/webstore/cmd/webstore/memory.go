package main

import (
	"os"
	"runtime/debug"
)

// How a service of ours uses memory. Its live data are some 15 MiB, so that Go's default
// would collect garbage dozens of times a second under load; and the limit keeps a burst, such as of passwords to be hashed at 19 MiB each, from
// adding what is garbage already. Measured by cmd/load.
const (
	memoryLimit = 44 << 20
	gcPercent   = 300
)

// upGCPercent is for `webstore up`, whose miniredis makes garbage with each script.
const upGCPercent = 400

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

// spareProcessor has the process of `webstore up` collect its garbage less often, where
// GOGC does not say otherwise.
func spareProcessor() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(upGCPercent)
	}
}
