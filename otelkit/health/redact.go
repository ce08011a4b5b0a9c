package health

import (
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxOutput bounds what an error may add to an answer, in bytes.
const maxOutput = 500

const black = "[redacted]"

// redactor takes secrets out of errors. What is certain to be one is what
// Config.Secrets lists; the patterns catch the rest as far as they can, and would
// rather black out too much: a lost host name is found elsewhere, a lost password
// is lost.
type redactor struct {
	known *strings.Replacer
}

func newRedactor(secrets []string) redactor {
	var forms []string
	for _, s := range secrets {
		quoted := strconv.Quote(s)
		_, userinfo, _ := strings.Cut(url.UserPassword("", s).String(), ":")
		forms = append(forms, s, quoted[1:len(quoted)-1], url.QueryEscape(s), url.PathEscape(s), userinfo)
	}
	// Where two begin at the same place, the longer one has to go.
	slices.SortFunc(forms, func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, form := range forms {
		if form != "" {
			pairs = append(pairs, form, black)
		}
	}
	return redactor{strings.NewReplacer(pairs...)}
}

var patterns = []struct {
	secret *regexp.Regexp
	with   string
}{
	// Private keys in PEM.
	{regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)`), black},
	// A URL that url.Parse refuses. It may be the password that confused it, and
	// then where the password ends is anybody's guess.
	{regexp.MustCompile(`parse "(?:[^"\\]|\\.)*"`), "parse " + black},
	{regexp.MustCompile(`(invalid (?:port|URL escape|character)) ".*"`), "$1 " + black},
	// User and password of URLs: postgres://user:password@host. A password may
	// hold anything if nobody encoded it, so all goes up to the last @.
	{regexp.MustCompile(`://.*@`), "://" + black + "@"},
	// User and password without a scheme: user:password@tcp(host:3306)/db.
	{regexp.MustCompile(`[^\s"'(]+:(?:[^/\s]|/[^/\s])\S*@`), black + "@"},
	// Authorization headers and JSON Web Tokens.
	{regexp.MustCompile(`(?i)\b(bearer|basic)\s+[a-z0-9._~+/=-]{8,}`), "$1 " + black},
	{regexp.MustCompile(`\beyJ[\w-]+\.[\w-]+(\.[\w-]*)?`), black},
	// Keys that say so: password=..., "api_key": "...", sig=....
	{regexp.MustCompile(`(?i)\b([\w.-]*(?:passw(?:or)?d|pass(?:phrase)?|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credentials?|sig(?:nature)?|authorization|cookie)["'\\]*\s*[=:]\s*)` +
		`(?:\\".*?\\"|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\S+)`), "${1}" + black},
}

// text returns s without secrets, on one line of valid UTF-8, and not too long.
func (r redactor) text(s string) string {
	s = r.known.Replace(s)
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "\uFFFD")), " ")
	for _, p := range patterns {
		s = p.secret.ReplaceAllString(s, p.with)
	}
	if len(s) <= maxOutput {
		return s
	}
	end := maxOutput
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}
