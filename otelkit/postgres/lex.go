package postgres

import "strings"

// kind is what a token of SQL is.
type kind uint8

const (
	space   kind = iota // white space or a comment; lex leaves it out
	word                // keyword, or name that is not quoted
	quoted              // name in double quotes
	literal             // string, number, bit string, true or false
	param               // $1
	symbol              // any other character
)

// token is a piece of SQL.
type token struct {
	kind   kind
	text   string
	spaced bool // white space or a comment stands before it
}

// is says whether a token is one of some keywords and symbols, in upper case.
func (t token) is(texts ...string) bool {
	if t.kind != word && t.kind != symbol {
		return false
	}
	for _, text := range texts {
		if strings.EqualFold(t.text, text) {
			return true
		}
	}
	return false
}

// named says whether a token can be a name.
func (t token) named() bool { return t.kind == word || t.kind == quoted }

// maxRead is how much of a text is read, in bytes.
const maxRead = 16 << 10

// lex splits SQL into its tokens as PostgreSQL does (its documentation, "Lexical
// Structure").
//
// Of a long text it reads the first maxRead bytes, to the end of the last token
// that is whole.
//
// sure is false when part of a literal may stand among the tokens as if it were
// none: a quote or comment has no end, or a string has a backslash before a
// quote, which escapes that for a server with standard_conforming_strings off.
func lex(sql string) (tokens []token, sure bool) {
	cut := len(sql) > maxRead
	if cut {
		sql = strings.Clone(sql[:maxRead]) // so that a token, which series keep, does not keep the rest
	}
	sure = true
	spaced := false
	for sql != "" {
		k, n, ok := next(sql)
		if cut && n == len(sql) {
			return tokens, sure
		}
		sure = sure && ok
		if k == space {
			spaced = true
		} else {
			tokens = append(tokens, token{k, sql[:n], spaced})
			spaced = false
		}
		sql = sql[n:]
	}
	return tokens, sure
}

// next returns the kind and length of the token that sql begins with, and
// whether that is sure.
func next(sql string) (kind, int, bool) {
	switch c := sql[0]; {
	case c <= ' ':
		return space, 1, true
	case strings.HasPrefix(sql, "--"):
		return space, lineEnd(sql), true
	case strings.HasPrefix(sql, "/*"):
		n, ok := commentEnd(sql)
		return space, n, ok
	case c == '\'':
		n, ok := stringEnd(sql, false)
		return literal, n, ok
	case c == '"':
		n, ok := quoteEnd(sql, '"', false)
		return quoted, n, ok
	case c == '$':
		return dollar(sql)
	case isDigit(c), c == '.' && len(sql) > 1 && isDigit(sql[1]):
		return literal, numberEnd(sql), true
	case isLetter(c):
		return name(sql)
	default:
		return symbol, 1, true
	}
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// isLetter says whether a name can begin with a byte. Names may hold any
// character beyond ASCII.
func isLetter(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c >= 0x80
}

// lineEnd returns the length of a line with its end.
func lineEnd(sql string) int {
	if n := strings.IndexAny(sql, "\n\r"); n >= 0 {
		return n + 1
	}
	return len(sql)
}

// commentEnd returns the length of a comment, in which others may be nested.
func commentEnd(sql string) (int, bool) {
	depth := 0
	for i := 0; i+1 < len(sql); i++ {
		switch sql[i : i+2] {
		case "/*":
			depth++
			i++
		case "*/":
			depth--
			i++
		}
		if depth == 0 {
			return i + 1, true
		}
	}
	return len(sql), false
}

// quoteEnd returns the length of what stands between quotes, the quotes
// included. A quote is part of it when it is doubled, and behind a backslash if
// those escape.
func quoteEnd(sql string, quote byte, escapes bool) (int, bool) {
	for i := 1; i < len(sql); i++ {
		switch {
		case escapes && sql[i] == '\\':
			i++
		case sql[i] == quote && i+1 < len(sql) && sql[i+1] == quote:
			i++
		case sql[i] == quote:
			return i + 1, true
		}
	}
	return len(sql), false
}

// stringEnd returns the length of a string.
func stringEnd(sql string, escapes bool) (int, bool) {
	n, ok := quoteEnd(sql, '\'', escapes)
	return n, ok && (escapes || !strings.Contains(sql[:n], `\'`))
}

// dollar reads a parameter ($1), a string between tags ($tag$...$tag$), or a
// dollar sign.
func dollar(sql string) (kind, int, bool) {
	n := 1
	for n < len(sql) && isDigit(sql[n]) {
		n++
	}
	if n > 1 {
		return param, n, true
	}
	for n < len(sql) && (isLetter(sql[n]) || isDigit(sql[n])) {
		n++
	}
	if n == len(sql) || sql[n] != '$' {
		return symbol, 1, true
	}
	tag := sql[:n+1]
	end := strings.Index(sql[len(tag):], tag)
	if end < 0 {
		return literal, len(sql), false
	}
	return literal, end + 2*len(tag), true
}

// numberEnd returns the length of a number: 1, 1.5, .5, 1e-9, 0x2A, 1_000. What
// else is attached to one belongs to it, since to PostgreSQL it is an error.
func numberEnd(sql string) int {
	for n := 1; n < len(sql); n++ {
		c := sql[n]
		exponent := (c == '+' || c == '-') && (sql[n-1] == 'e' || sql[n-1] == 'E') && n+1 < len(sql) && isDigit(sql[n+1])
		if !isDigit(c) && !isLetter(c) && c != '.' && !exponent {
			return n
		}
	}
	return len(sql)
}

// name reads a keyword or a name, or the string or quoted name that a letter
// such as E stands before.
func name(sql string) (kind, int, bool) {
	n := 1
	for n < len(sql) && (isLetter(sql[n]) || isDigit(sql[n]) || sql[n] == '$') {
		n++
	}
	switch text, rest := strings.ToLower(sql[:min(n, 5)]), sql[n:]; {
	case text == "e" && strings.HasPrefix(rest, "'"):
		end, ok := stringEnd(rest, true)
		return literal, n + end, ok
	case (text == "b" || text == "x" || text == "n") && strings.HasPrefix(rest, "'"):
		end, ok := stringEnd(rest, false)
		return literal, n + end, ok
	case text == "u" && strings.HasPrefix(rest, "&'"):
		end, ok := stringEnd(rest[1:], false)
		return literal, n + 1 + end, ok
	case text == "u" && strings.HasPrefix(rest, `&"`):
		end, ok := quoteEnd(rest[1:], '"', false)
		return quoted, n + 1 + end, ok
	case n == 4 && text == "true", n == 5 && text == "false":
		return literal, n, true
	default:
		return word, n, true
	}
}
