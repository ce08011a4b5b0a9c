// Package dbclienttest holds what the tests of otelkit/postgres and otelkit/redisdb
// have in common.
package dbclienttest
