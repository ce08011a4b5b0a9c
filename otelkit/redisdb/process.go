package redisdb

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/otelkit/kit/otelkit/internal/dbclient"
	"github.com/redis/go-redis/v9"
)

// go-redis has one logger and one recorder of measurements for the process, and
// no way to ask which they are.
var (
	process    sync.Once
	complaints logger
)

// observeProcess has go-redis complain to the logger of kit, and tell how long
// connections are waited for.
func observeProcess(kit Kit) {
	to := slog.Default()
	if kit != nil {
		to = kit.Logger()
	}
	complaints.redirect(to)
	process.Do(func() {
		redis.SetLogger(&complaints)
		redis.SetOTelRecorder(waits{})
	})
}

// waits is the recorder. Of all that go-redis tells it, only the waiting is
// nowhere else to be had. It goes to the client whose command waited, which is in
// the context; clients that are not of this package tell nothing.
type waits struct{}

// RecordConnectionWaitTime measures how long a command waited for a connection.
func (waits) RecordConnectionWaitTime(ctx context.Context, wait time.Duration, _ redis.ConnInfo) {
	c, ok := ctx.Value(callKey{}).(*call)
	if !ok {
		return
	}
	c.wait += wait
	dbclient.ConnectionWaitTime.Record(c.Context, wait.Seconds(), c.hook.pool)
}

// The rest is measured by the hook, or by nobody.

func (waits) RecordOperationDuration(context.Context, time.Duration, redis.Cmder, int, error, redis.ConnInfo, int) {
}

func (waits) RecordPipelineOperationDuration(context.Context, time.Duration, string, int, int, error, redis.ConnInfo, int) {
}
func (waits) RecordConnectionCreateTime(context.Context, time.Duration, redis.ConnInfo)           {}
func (waits) RecordConnectionRelaxedTimeout(context.Context, int, redis.ConnInfo, string, string) {}
func (waits) RecordConnectionHandoff(context.Context, redis.ConnInfo, string)                     {}
func (waits) RecordError(context.Context, string, redis.ConnInfo, string, bool, int)              {}
func (waits) RecordMaintenanceNotification(context.Context, redis.ConnInfo, string)               {}
func (waits) RecordConnectionClosed(context.Context, redis.ConnInfo, string, error)               {}
func (waits) RecordPubSubMessage(context.Context, redis.ConnInfo, string, string, bool)           {}
func (waits) RecordStreamLag(context.Context, time.Duration, redis.ConnInfo, string, string, string) {
}
