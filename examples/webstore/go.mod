module github.com/otelkit/kit/examples/webstore

go 1.26.0
