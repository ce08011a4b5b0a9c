package otelkit

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"github.com/otelkit/kit/otelkit/metrics"
	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// Profiler is what [Config.Profiles] takes: profiles.New of otelkit/profiles makes
// one. This package does not import that one, so that a service that is not profiled
// does not carry what profiling takes.
type Profiler interface {
	// StartProfiling begins to profile the process in the name of a service. It
	// neither fails nor waits because the profiles' receiver cannot be reached. It
	// calls lost for each profile that does not get there, from any goroutine, with
	// one of the values of Cause and with what happened; other troubles it logs.
	StartProfiling(service string, labels map[string]string, recorder *metrics.Recorder, logger *slog.Logger, lost func(cause string, err error)) error
	// Stop sends the last profiles and ends profiling, when ctx is done at the latest.
	// The error says that profiles were lost by it.
	Stop(ctx context.Context) error
}

// startProfiles has the process profiled in the name of the kit's resource.
func (k *Kit) startProfiles(s settings, p Profiler) error {
	exports := k.newExports(SignalProfiles)
	lost := func(cause string, err error) {
		t, ok := exports.lost[Cause(cause)]
		if !ok {
			t, err = exports.lost[CauseRejected], errors.Join(errors.New("a cause that there is not: "+cause), err)
		}
		k.losses.add(t, 1, err)
	}
	service, _ := s.resource.Set().Value(semconv.ServiceNameKey)
	labels := map[string]string{}
	for _, key := range []attribute.Key{semconv.ServiceNamespaceKey, semconv.ServiceVersionKey, semconv.DeploymentEnvironmentNameKey} {
		if value, ok := s.resource.Set().Value(key); ok {
			labels[strings.ReplaceAll(string(key), ".", "_")] = value.String()
		}
	}
	if err := p.StartProfiling(service.AsString(), labels, k.recorder, k.logger, lost); err != nil {
		return err
	}
	nothing := func(context.Context) error { return nil }
	k.pipelines = append(k.pipelines, &pipeline{exports, nothing, p.Stop})
	return nil
}
