package redisdb

import (
	"slices"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// operation is what telemetry says of a command, or of a batch of them.
type operation struct {
	name    string // of the span and in db.operation.name: "GET", "PIPELINE SET"
	options []trace.SpanStartOption
}

// operations remembers what it was asked for. Names of commands are written in
// code; those that are not, given to Client.Do, are not remembered without end. It
// is safe for concurrent use.
type operations struct {
	target []attribute.KeyValue

	mu    sync.RWMutex
	known map[operationKey]*operation
}

type operationKey struct{ batch, command string }

// maxOperations is about what Redis has of commands.
const maxOperations = 500

// of returns the operation of a command, or of several of that name in a batch.
func (o *operations) of(batch, command string) *operation {
	key := operationKey{batch, command}
	o.mu.RLock()
	known, ok := o.known[key]
	o.mu.RUnlock()
	if ok {
		return known
	}
	name := strings.TrimSpace(batch + " " + strings.ToUpper(command))
	made := &operation{name, []trace.SpanStartOption{
		trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(append(slices.Clone(o.target), semconv.DBOperationName(name))...),
	}}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.known == nil {
		o.known = map[operationKey]*operation{}
	}
	if len(o.known) < maxOperations {
		o.known[key] = made
	}
	return made
}

// ofBatch returns the operation of a pipeline or transaction, by the conventions:
// with the command if all are of one, and like a single command if it is one.
func (o *operations) ofBatch(cmds []redis.Cmder) *operation {
	batch, command := "PIPELINE", ""
	if isTransaction(cmds) {
		batch, cmds = "MULTI", cmds[1:len(cmds)-1]
	}
	for i, cmd := range cmds {
		if i > 0 && cmd.Name() != command {
			return o.of(batch, "")
		}
		command = cmd.Name()
	}
	if len(cmds) == 1 {
		batch = ""
	}
	return o.of(batch, command)
}

// batchSize returns how many commands a pipeline or transaction has.
func batchSize(cmds []redis.Cmder) int {
	if isTransaction(cmds) {
		return len(cmds) - 2
	}
	return len(cmds)
}

// isTransaction says whether go-redis put "multi" and "exec" around commands.
func isTransaction(cmds []redis.Cmder) bool {
	return len(cmds) > 1 && cmds[0].Name() == "multi"
}
