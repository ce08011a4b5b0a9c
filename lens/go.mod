module github.com/otelkit/kit/lens

go 1.26.0
