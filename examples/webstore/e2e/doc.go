// Package e2e holds the tests of the store as its users run it: the built
// binaries, real PostgreSQL, and telemetry read back from lens by the APIs that
// Grafana uses. It has no code of its own.
package e2e
