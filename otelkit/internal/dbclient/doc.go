// Package dbclient holds what database clients have in common: the definitions of
// OpenTelemetry's db.client.* metrics, and how calls and pools are recorded.
// otelkit/postgres and otelkit/redisdb record the same names, and a metric is
// defined once, so both use and re-export the definitions here; the attribute
// db.system.name tells their series apart.
package dbclient
