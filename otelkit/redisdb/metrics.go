package redisdb

import "github.com/otelkit/kit/otelkit/internal/dbclient"

// Catalog holds the metrics of database clients. It is the same as that of
// otelkit/postgres.
var Catalog = dbclient.Catalog

// The definitions of the metrics.
var (
	OperationDuration    = dbclient.OperationDuration
	ConnectionCount      = dbclient.ConnectionCount
	ConnectionMax        = dbclient.ConnectionMax
	ConnectionIdleMin    = dbclient.ConnectionIdleMin
	ConnectionIdleMax    = dbclient.ConnectionIdleMax
	ConnectionPending    = dbclient.ConnectionPending
	ConnectionTimeouts   = dbclient.ConnectionTimeouts
	ConnectionWaitTime   = dbclient.ConnectionWaitTime
	ConnectionCreateTime = dbclient.ConnectionCreateTime
)
