package jsonhttp

import "net/http"

// NoRedirects is the CheckRedirect of clients that call one service and no other: an
// answer that sends them elsewhere is an answer. Whoever plays that service, or stands
// on the way to it, could else have any address inside be asked, and be sent the keys
// in the request's headers.
func NoRedirects(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
