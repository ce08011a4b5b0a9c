package otelkittest_test

import (
	"context"
	"fmt"
	"testing"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelkit/kit/otelkit/metrics"
	"github.com/otelkit/kit/otelkit/otelkittest"
)

// A test asks for what the service should have recorded, and is told what it did
// record.
func Example() {
	catalog := metrics.NewCatalog("example.com/mail")
	type attrs struct {
		Kind string `attr:"mail.kind,limit=10"`
	}
	sent := metrics.NewCounter[attrs](catalog, metrics.Definition{Name: "mail.sent", Unit: "{mail}", Help: "Mails that were sent."})

	// send is what is tested.
	send := func(ctx context.Context, kit *otelkittest.Kit) {
		ctx, span := kit.TracerProvider().Tracer("mail").Start(ctx, "send")
		defer span.End()
		sent.Add(ctx, 1, attrs{Kind: "receipt"})
		kit.Logger().InfoContext(ctx, "mail sent", "mail.kind", "receipt")
	}

	test := func(t testing.TB) {
		tel := otelkittest.New(t)
		receipts := tel.Series(sent, attribute.String("mail.kind", "receipt"))

		send(tel.Context(context.Background()), tel)

		span := tel.Span("send").IsRoot()
		tel.Log("mail sent").In(span)
		receipts.Grew(1).ExemplarOf(span)
		tel.NoViolations(otelkittest.Registry{Catalogs: []*metrics.Catalog{catalog}})
		fmt.Printf("score %.0f\n", tel.Score().Score)

		span.Has(attribute.String("mail.to", "you"))
	}
	test(printing{})

	// Output:
	// score 100
	// otelkittest: span "send": no attribute mail.to, want "you"; recorded:
	//   "send" internal
}

// printing is a *testing.T that prints.
type printing struct{ testing.TB }

func (printing) Helper()                           {}
func (printing) Name() string                      { return "TestMail" }
func (printing) Cleanup(func())                    {}
func (printing) Errorf(format string, args ...any) { fmt.Printf(format+"\n", args...) }

// The shape of a trace is written as it looks.
func ExampleSpan_Tree() {
	tel := otelkittest.New(printing{})
	tracer := tel.TracerProvider().Tracer("shop")

	ctx, order := tracer.Start(context.Background(), "order")
	for _, step := range []string{"reserve", "pay"} {
		_, span := tracer.Start(ctx, step)
		span.End()
	}
	order.End()

	tel.Span("order").Tree(`
		order
			pay
			reserve
	`)
	// Output:
}
