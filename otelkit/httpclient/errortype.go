package httpclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"syscall"

	"github.com/otelkit/kit/otelkit/metrics"
)

// ErrorType is why a request failed: the response's status if that is 400 or
// more, else what kept the client from getting one.
type ErrorType string

// Why there was no response.
const (
	Canceled ErrorType = "canceled"           // the request's context was cancelled
	Timeout  ErrorType = "timeout"            // a deadline passed
	DNS      ErrorType = "dns"                // the host's name could not be resolved
	Refused  ErrorType = "connection_refused" // nothing listens there
	Reset    ErrorType = "connection_reset"   // the other side broke off
	TLS      ErrorType = "tls"                // no trust could be established
)

// Values returns the closed set of error types. What is none of them is recorded
// as "_OTHER".
func (ErrorType) Values() []ErrorType {
	types := []ErrorType{Canceled, Timeout, DNS, Refused, Reset, TLS}
	for status := 400; status < 600; status++ {
		if http.StatusText(status) != "" {
			types = append(types, ErrorType(strconv.Itoa(status)))
		}
	}
	return types
}

// outcome returns why a request or a call failed, "" if it did not.
func outcome(response *http.Response, err error) ErrorType {
	switch {
	case err != nil:
		return errorTypeOf(err)
	case response != nil && response.StatusCode >= 400:
		return ErrorType(strconv.Itoa(response.StatusCode))
	default:
		return ""
	}
}

// errorTypeOf returns why there was no response.
func errorTypeOf(err error) ErrorType {
	var (
		dns         *net.DNSError
		network     net.Error
		certificate *tls.CertificateVerificationError
		authority   x509.UnknownAuthorityError
		record      tls.RecordHeaderError
		alert       tls.AlertError
	)
	switch {
	case errors.Is(err, context.Canceled):
		return Canceled
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return Timeout
	case errors.As(err, &dns):
		return DNS
	case errors.Is(err, syscall.ECONNREFUSED):
		return Refused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return Reset
	case errors.As(err, &certificate), errors.As(err, &authority), errors.As(err, &record), errors.As(err, &alert):
		return TLS
	default:
		return metrics.Other
	}
}
