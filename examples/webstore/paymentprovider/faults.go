package paymentprovider

import (
	"net"
	"net/http"

	"github.com/otelkit/kit/examples/webstore/faults"
	"github.com/otelkit/kit/examples/webstore/thirdparty"
)

// Troubles is what faults do to the provider's calls. faults.ProviderUnreachable does
// more than that, see reachable.
var Troubles = []thirdparty.Trouble{
	{Fault: faults.ProviderFailing, Failures: Failures[3:]},
	{Fault: faults.ProviderDeclining, Calls: []string{"POST /v1/charges"}, Failures: Failures[:1]},
	{Fault: faults.ProviderSlow, Slow: true},
	{Fault: faults.ProviderHanging, Hang: true},
}

// reachable resets the connections of all who call while nobody is to reach next.
func reachable(board *faults.Board, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !board.On(faults.ProviderUnreachable) {
			next.ServeHTTP(w, r)
			return
		}
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(http.ErrAbortHandler) // ends the connection too
		}
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // a reset, and no orderly end
		}
		_ = conn.Close()
	})
}
