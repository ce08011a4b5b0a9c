package jsonhttp

import "net/http"

// keyHeader is the header of the IETF's draft "The Idempotency-Key HTTP Header
// Field".
const keyHeader = "Idempotency-Key"

// maxKey is the longest key, in bytes. A UUID has 36.
const maxKey = 128

// MissingKey is the answer to a request that has to be safe to repeat and does
// not say which request it repeats.
var MissingKey = &Problem{
	Status: http.StatusBadRequest, Name: "idempotency_key_missing", Title: "The Idempotency-Key is missing",
	Detail: "Send an Idempotency-Key header of 1 to 128 printable ASCII characters, a new one, such as a UUID, for each thing to be done once, and the same one when you try again.",
}

// KeyReused is the answer to a key that came with another request before.
var KeyReused = &Problem{
	Status: http.StatusUnprocessableEntity, Name: "idempotency_key_reused", Title: "The Idempotency-Key belongs to another request",
	Detail: "This key came with other content before; send a new key with new content.",
}

// IdempotencyKey returns the key of r. Without a usable one it returns
// MissingKey. The server makes none up: a client that did not send a key could
// not send it again, which is all that a key is for.
func IdempotencyKey(r *http.Request) (string, error) {
	keys := r.Header.Values(keyHeader)
	if len(keys) != 1 || !ValidKey(keys[0]) {
		return "", MissingKey
	}
	return keys[0], nil
}

// ValidKey reports whether IdempotencyKey can return key: of any other there is nothing
// to be known.
func ValidKey(key string) bool {
	for _, c := range []byte(key) {
		if c < '!' || c > '~' {
			return false
		}
	}
	return key != "" && len(key) <= maxKey
}

// SetIdempotencyKey makes r one that may be repeated.
func SetIdempotencyKey(r *http.Request, key string) { r.Header.Set(keyHeader, key) }
