package dbclient

import "github.com/otelkit/kit/otelkit/metrics"

// Catalog holds the metrics of database clients.
var Catalog = metrics.NewCatalog("github.com/otelkit/kit/otelkit/internal/dbclient")

// System is a database product, by its name in OpenTelemetry's conventions.
type System string

// The systems that otelkit has clients for.
const (
	PostgreSQL System = "postgresql"
	Redis      System = "redis"
)

// Values returns the closed set of systems.
func (System) Values() []System { return []System{PostgreSQL, Redis} }

// ConnectionState says what a pooled connection does.
type ConnectionState string

// The states of a connection.
const (
	Idle ConnectionState = "idle"
	Used ConnectionState = "used"
)

// Values returns the closed set of states.
func (ConnectionState) Values() []ConnectionState { return []ConnectionState{Idle, Used} }

// OperationAttrs tell one kind of database call from another.
type OperationAttrs struct {
	System    System `attr:"db.system.name"`
	Namespace string `attr:"db.namespace,omitempty,limit=20"`
	Operation string `attr:"db.operation.name,omitempty,limit=100"`
	// Summary tells statements apart. A service has as many as its code has
	// statements; one that makes table names up as it goes has 100 at most.
	Summary string `attr:"db.query.summary,omitempty,limit=100"`
	Server  string `attr:"server.address,omitempty,limit=20"`
	Port    int    `attr:"server.port,omitempty,limit=20"`
	// Status is the database's own code of a failure, such as an SQLSTATE.
	Status string `attr:"db.response.status_code,omitempty,limit=40"`
	// Error is why the call failed: the status code, else what kept the client
	// from getting one.
	Error string `attr:"error.type,omitempty,limit=50"`
}

// PoolAttrs tell one connection pool from another.
type PoolAttrs struct {
	System System `attr:"db.system.name"`
	Pool   string `attr:"db.client.connection.pool.name,limit=20"`
}

// ConnectionAttrs tell the connections of a pool by their state.
type ConnectionAttrs struct {
	System System          `attr:"db.system.name"`
	Pool   string          `attr:"db.client.connection.pool.name,limit=20"`
	State  ConnectionState `attr:"db.client.connection.state"`
}

// The definitions, by OpenTelemetry's semantic conventions for database
// clients, v1.43.0.
var (
	OperationDuration = metrics.NewHistogram[OperationAttrs](Catalog, metrics.Definition{
		Name:    "db.client.operation.duration",
		Unit:    "s",
		Help:    "How long calls of a database took, from sending the query to the end of its result.",
		Buckets: metrics.OperationBuckets(),
		Limit:   1000,
	})
	ConnectionCount = metrics.NewObservableUpDownCounter[ConnectionAttrs](Catalog, metrics.Definition{
		Name: "db.client.connection.count",
		Unit: "{connection}",
		Help: "Connections that a pool has, by what they do.",
	})
	ConnectionMax = metrics.NewObservableUpDownCounter[PoolAttrs](Catalog, metrics.Definition{
		Name: "db.client.connection.max",
		Unit: "{connection}",
		Help: "Connections that a pool may have at most.",
	})
	ConnectionIdleMin = metrics.NewObservableUpDownCounter[PoolAttrs](Catalog, metrics.Definition{
		Name: "db.client.connection.idle.min",
		Unit: "{connection}",
		Help: "Idle connections that a pool keeps at least.",
	})
	ConnectionIdleMax = metrics.NewObservableUpDownCounter[PoolAttrs](Catalog, metrics.Definition{
		Name: "db.client.connection.idle.max",
		Unit: "{connection}",
		Help: "Idle connections that a pool keeps at most.",
	})
	ConnectionPending = metrics.NewObservableUpDownCounter[PoolAttrs](Catalog, metrics.Definition{
		Name: "db.client.connection.pending_requests",
		Unit: "{request}",
		Help: "Calls that wait for a connection of a pool.",
	})
	ConnectionTimeouts = metrics.NewObservableCounter[PoolAttrs](Catalog, metrics.Definition{
		Name: "db.client.connection.timeouts",
		Unit: "{timeout}",
		Help: "Calls that gave up waiting for a connection of a pool.",
	})
	ConnectionWaitTime = metrics.NewHistogram[PoolAttrs](Catalog, metrics.Definition{
		Name:    "db.client.connection.wait_time",
		Unit:    "s",
		Help:    "How long it took to get a connection from a pool.",
		Buckets: metrics.OperationBuckets(),
	})
	ConnectionCreateTime = metrics.NewHistogram[PoolAttrs](Catalog, metrics.Definition{
		Name:    "db.client.connection.create_time",
		Unit:    "s",
		Help:    "How long it took to make a new connection for a pool.",
		Buckets: metrics.OperationBuckets(),
	})
	ConnectionUseTime = metrics.NewHistogram[PoolAttrs](Catalog, metrics.Definition{
		Name:    "db.client.connection.use_time",
		Unit:    "s",
		Help:    "How long a connection was out of its pool, from being acquired to being returned.",
		Buckets: metrics.OperationBuckets(),
	})
)
