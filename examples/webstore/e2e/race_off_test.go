//go:build !race

package e2e_test

// raceEnabled has the binaries built with the race detector when the test is.
const raceEnabled = false
