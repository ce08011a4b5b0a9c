// Package rulestest holds no code but tests: it proves the repository's
// generated rules, dashboards and runbooks on Prometheus' own parser, engine and
// rule manager. They are here because lens is the module that has Prometheus
// among its dependencies; what generates the files does not.
package rulestest
