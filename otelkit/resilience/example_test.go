package resilience_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/otelkit/kit/otelkit/resilience"
)

func Example() {
	provider, err := resilience.New(resilience.Config{
		Target: "payment-provider",
		// Kit: kit, from otelkit.Start
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer provider.Close()
	circuit := resilience.CircuitBreaker(provider, circuitbreaker.NewBuilder[string]().WithFailureThresholdRatio(10, 20))
	retries := resilience.Retry(provider, retrypolicy.NewBuilder[string]().AbortOnErrors(circuitbreaker.ErrOpen))
	calls := resilience.Executor(provider, failsafe.With(retries, circuit))

	ctx := context.Background() // of the request, with its span
	receipt, err := calls.WithContext(ctx).GetWithExecution(func(e failsafe.Execution[string]) (string, error) {
		if e.IsFirstAttempt() {
			return "", errors.New("connection refused")
		}
		return "receipt 17", nil
	})
	fmt.Println(receipt, err)
	// Output: receipt 17 <nil>
}
