package logs

import (
	"bytes"
	"encoding/json"
	"strings"
)

// Redacted stands in both sinks where the value of a secret was.
const Redacted = "[REDACTED]"

// Secrets returns the names of what is not logged unless [Config.Redact] says
// otherwise. Append to them to hide more:
//
//	logs.Config{Redact: append(logs.Secrets(), "iban", "date_of_birth")}
func Secrets() []string {
	return []string{
		"password", "passwd", "pwd", "passphrase", "secret", "token", "credential", "credentials",
		"authorization", "cookie", "api_key", "access_key", "private_key", "secret_key", "signing_key",
	}
}

// secrets finds the keys whose values are hidden. A nil one hides nothing.
//
// It is asked for every key of every record, so the names are kept by their last
// letter: a key that is no secret costs 5 to 10 ns (BenchmarkSecrets).
type secrets struct {
	byLast [256][]string
}

func newSecrets(names []string) *secrets {
	var s secrets
	some := false
	for _, name := range names {
		var plain strings.Builder
		for i := range len(name) {
			if !isSeparator(name[i]) {
				plain.WriteByte(lower(name[i]))
			}
		}
		if name = plain.String(); name != "" {
			last := name[len(name)-1]
			s.byLast[last] = append(s.byLast[last], name)
			some = true
		}
	}
	if !some {
		return nil
	}
	return &s
}

// hide reports whether a key is, or ends with the words of, a name: "token" is
// found in "Token", "access_token", "X-Token", "user.token" and "accessToken",
// not in "tokens" or "token.type".
func (s *secrets) hide(key string) bool {
	if s == nil {
		return false
	}
	end := len(key)
	for end > 0 && isSeparator(key[end-1]) {
		end--
	}
	if end == 0 {
		return false
	}
	for _, name := range s.byLast[lower(key[end-1])] {
		if endsWith(key[:end], name) {
			return true
		}
	}
	return false
}

func endsWith(key, name string) bool {
	i := len(key)
	for n := len(name) - 1; n >= 0; n-- {
		for i > 0 && isSeparator(key[i-1]) {
			i--
		}
		if i == 0 || lower(key[i-1]) != name[n] {
			return false
		}
		i--
	}
	return i == 0 || !isAlphanumeric(key[i-1]) || isUpper(key[i]) && !isUpper(key[i-1])
}

func isSeparator(c byte) bool { return c == '_' || c == '-' || c == ' ' }

func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || isUpper(c) || '0' <= c && c <= '9' || c >= 0x80
}

func lower(c byte) byte {
	if isUpper(c) {
		return c + 'a' - 'A'
	}
	return c
}

// appendJSON appends a compact JSON text with the values of secrets replaced, at
// whatever depth.
func (s *secrets) appendJSON(dst, text []byte) []byte {
	if s == nil {
		return append(dst, text...)
	}
	copied := 0 // of text
	for i := 0; i < len(text); {
		if text[i] != '"' {
			i++
			continue
		}
		end := i + stringLength(text[i:])
		if end < len(text) && text[end] == ':' && s.hide(unquoted(text[i:end])) {
			dst = append(dst, text[copied:end+1]...)
			dst = append(dst, `"`+Redacted+`"`...)
			end += 1 + valueLength(text[end+1:])
			copied = end
		}
		i = end
	}
	return append(dst, text[copied:]...)
}

// stringLength returns the length of the JSON string that text starts with.
func stringLength(text []byte) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}

// valueLength returns the length of the JSON value that text starts with.
func valueLength(text []byte) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			i += stringLength(text[i:]) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i
			}
			depth--
		case ',':
			if depth == 0 {
				return i
			}
			continue
		default:
			continue
		}
		if depth == 0 {
			return i + 1
		}
	}
	return len(text)
}

// unquoted returns what a JSON string says. Only json.Marshalers write a key
// with an escape in it that needs none.
func unquoted(quoted []byte) string {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1 : len(quoted)-1])
	}
	var s string
	if json.Unmarshal(quoted, &s) != nil {
		return ""
	}
	return s
}
