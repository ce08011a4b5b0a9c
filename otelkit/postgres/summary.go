package postgres

import (
	"slices"
	"strings"
)

// summary tells what a text does without any of its values, by the conventions
// for db.query.summary: its operations and what they are applied to, in the
// order of the text. Operations are in upper case, so that one statement in two
// spellings is one; names are as they are written.
type summary struct {
	text       string // at most maxSummary bytes: "INSERT orders SELECT carts"
	operation  string // of the statement as a whole; "" of several statements, and of what is no SQL
	collection string // the only table that the text names, if it is only one
}

// maxSummary is the limit of the conventions.
const maxSummary = 255

// plain are the commands that a summary tells nothing more of: the rest of the
// statement is not looked at.
var plain = []string{
	"BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE",
	"SET", "SHOW", "RESET", "LOCK", "LISTEN", "UNLISTEN", "NOTIFY", "DO", "EXECUTE", "FETCH", "MOVE", "CLOSE",
	"GRANT", "REVOKE", "COMMENT", "SECURITY", "REASSIGN", "ANALYZE", "VACUUM", "REFRESH", "REINDEX", "CLUSTER",
	"CHECKPOINT", "DEALLOCATE", "DISCARD", "LOAD", "IMPORT",
}

// around are the commands that stand before or around another.
var around = []string{"EXPLAIN", "PREPARE", "DECLARE", "VALUES"}

// onNames are the commands that are followed by the name that they apply to.
var onNames = []string{"CALL", "COPY", "TABLE", "TRUNCATE"}

// kinds are the kinds of thing that CREATE, ALTER and DROP are told with.
var kinds = []string{
	"TABLE", "VIEW", "INDEX", "SEQUENCE", "SCHEMA", "FUNCTION", "PROCEDURE", "TYPE", "TRIGGER", "EXTENSION", "DATABASE",
}

// modifiers may stand between CREATE, ALTER or DROP and the kind, or between the
// kind and the name.
var (
	beforeKind = []string{
		"OR", "REPLACE", "GLOBAL", "LOCAL", "TEMP", "TEMPORARY", "UNLOGGED", "UNIQUE", "RECURSIVE", "CONSTRAINT", "FOREIGN", "EVENT",
	}
	beforeName = []string{"CONCURRENTLY", "IF", "NOT", "EXISTS", "ONLY"}
)

// ends are the words behind which a list of tables has ended.
var ends = []string{
	"WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET", "FETCH", "WINDOW", "FOR", "RETURNING", "SET", "VALUES",
	"UNION", "INTERSECT", "EXCEPT", "WHEN",
}

// summarise reads the tokens of a text. It need not understand all of SQL: what
// it does not know, it leaves out.
func summarise(tokens []token) summary {
	s := summariser{tokens: tokens, common: commonTables(tokens), levels: make([]level, 1)}
	for s.at < len(tokens) {
		s.step()
	}
	result := summary{text: strings.Join(s.parts, " ")}
	if s.statements == 1 {
		result.operation = s.operation
		if len(s.targets) == 1 && s.targets[0].collection {
			result.collection = s.targets[0].name
		}
	}
	return result
}

// summariser is the state of reading a text.
type summariser struct {
	tokens []token
	at     int // token to look at next
	common []string
	levels []level // of parentheses, the innermost last

	parts      []string
	size       int // of the parts, with spaces
	full       bool
	statements int
	operation  string   // of the first statement
	outermost  bool     // whether that stands outside of parentheses
	targets    []target // the first two that differ
}

// target is what an operation is applied to.
type target struct {
	name       string
	collection bool // a table or view
}

// level is what is known of the text between two parentheses.
type level struct {
	operation string
	want      bool // a target may come next
	list      bool // a comma leads to another target
	joined    bool // USING names columns, not tables
}

// step reads a token, or the few that belong together.
func (s *summariser) step() {
	t, l := s.tokens[s.at], &s.levels[len(s.levels)-1]
	s.at++
	if s.begins() && !t.is(";") {
		s.statements++
	}
	switch {
	case t.is("("):
		inner := level{want: l.want, list: l.want} // FROM (a JOIN b) has targets, f(a) has none
		l.want = false
		s.levels = append(s.levels, inner)
	case t.is(")"):
		if len(s.levels) > 1 {
			s.levels = s.levels[:len(s.levels)-1]
		}
	case t.is(";"):
		s.levels = make([]level, 1)
	case t.is(","):
		l.want = l.list
	case t.kind != word:
		s.other(t, l)
	case s.begins():
		s.begin(t, l)
	default:
		s.clause(t, l)
	}
}

// begins says whether the token before at is the first of a statement.
func (s *summariser) begins() bool { return s.at == 1 || s.tokens[s.at-2].is(";") }

// peek returns a token that is still to come, the next being 0.
func (s *summariser) peek(n int) token {
	if s.at+n < len(s.tokens) {
		return s.tokens[s.at+n]
	}
	return token{}
}

// begin reads the command that a statement begins with.
func (s *summariser) begin(t token, l *level) {
	switch command := strings.ToUpper(t.text); {
	case command == "CREATE", command == "ALTER", command == "DROP":
		s.define(command, l)
	case slices.Contains(onNames, command):
		s.operate(command, l)
		l.want, l.list = true, command == "TRUNCATE"
		s.skip("TABLE", "ONLY")
	case slices.Contains(around, command):
		s.operate(command, l)
	case slices.Contains(plain, command):
		s.operate(command, l)
		s.skipStatement()
	case command != "WITH" && !s.query(t, l): // no SQL, or none that is known here
		s.skipStatement()
	}
}

// query reads the command of a query, wherever in a statement it stands.
func (s *summariser) query(t token, l *level) bool {
	switch next := s.peek(0); {
	case t.is("SELECT"):
		s.operate("SELECT", l)
		l.want, l.list, l.joined = false, false, false
	case t.is("INSERT") && next.is("INTO"), t.is("MERGE") && next.is("INTO"), t.is("DELETE") && next.is("FROM"):
		s.operate(strings.ToUpper(t.text), l)
		s.at++
		s.skip("ONLY")
		l.want = true
	case t.is("UPDATE") && s.updates():
		s.operate("UPDATE", l)
		s.skip("ONLY")
		l.want = true
	default:
		return false
	}
	return true
}

// updates says whether the UPDATE before at is a command: it is none in FOR
// UPDATE, ON CONFLICT DO UPDATE, ON UPDATE CASCADE and THEN UPDATE.
func (s *summariser) updates() bool {
	return s.begins() || s.tokens[s.at-2].is("(", ")", "EXPLAIN", "ANALYZE", "VERBOSE")
}

// clause reads a word within a statement.
func (s *summariser) clause(t token, l *level) {
	switch {
	case s.query(t, l):
	case t.is("FROM"):
		if slices.Contains([]string{"SELECT", "UPDATE"}, l.operation) && !s.tokens[s.at-2].is("DISTINCT") {
			l.want, l.list = true, true
		}
	case t.is("JOIN"):
		l.want, l.joined = true, true
	case t.is("USING"):
		if slices.Contains([]string{"DELETE", "MERGE"}, l.operation) && !l.joined {
			l.want, l.list = true, true
		}
	case t.is(ends...):
		l.want, l.list = false, false
	case t.is("LATERAL", "ONLY", "ROWS") && l.want:
		// what follows is the target
	default:
		s.other(t, l)
	}
}

// other reads a token that is no keyword where it stands.
func (s *summariser) other(t token, l *level) {
	if l.want && t.named() {
		s.at--
		name := s.name()
		function := l.operation == "CALL" || l.list && s.peek(0).is("(")
		s.apply(target{name, !function})
	}
	l.want = false
}

// name reads a name with what qualifies it.
func (s *summariser) name() string {
	name := s.peek(0).text
	s.at++
	for s.peek(0).is(".") && s.peek(1).named() {
		name += "." + s.peek(1).text
		s.at += 2
	}
	return name
}

// define reads what is created, altered or dropped.
func (s *summariser) define(command string, l *level) {
	s.skip(beforeKind...)
	if s.peek(0).is("MATERIALIZED") && s.peek(1).is("VIEW") {
		s.at++
	}
	kind := strings.ToUpper(s.peek(0).text)
	if !slices.Contains(kinds, kind) {
		s.operate(command, l)
		s.skipStatement()
		return
	}
	s.at++
	s.operate(command+" "+kind, l)
	s.skip(beforeName...)
	onTable := kind == "INDEX" && command == "CREATE" || kind == "TRIGGER"
	if onTable {
		s.skipTo("ON")
		s.skip("ON", "ONLY")
	}
	if s.peek(0).named() {
		s.apply(target{s.name(), kind == "TABLE" || kind == "VIEW" || onTable})
	}
	switch {
	case command == "DROP":
		l.list = true
	case command != "CREATE" || kind != "TABLE" && kind != "VIEW": // CREATE TABLE … AS SELECT goes on
		s.skipStatement()
	}
}

// skip passes words.
func (s *summariser) skip(words ...string) {
	for s.peek(0).is(words...) {
		s.at++
	}
}

// skipTo passes what stands before a word in the statement.
func (s *summariser) skipTo(word string) {
	for s.at < len(s.tokens) && !s.peek(0).is(word, ";") {
		s.at++
	}
}

// skipStatement passes the rest of a statement. The body of a routine that is
// not a string has statements of its own; then it passes the rest of the text.
func (s *summariser) skipStatement() {
	for s.at < len(s.tokens) && !s.peek(0).is(";") {
		if s.peek(0).is("ATOMIC") {
			s.at = len(s.tokens)
			return
		}
		s.at++
	}
}

// operate notes an operation.
func (s *summariser) operate(operation string, l *level) {
	l.operation = operation
	outermost := len(s.levels) == 1
	switch {
	case s.operation == "":
		s.operation, s.outermost = operation, outermost
	case outermost && !s.outermost && s.statements == 1:
		s.operation, s.outermost = operation, true
	}
	s.add(operation)
}

// apply notes what an operation is applied to, unless the statement defines it
// itself.
func (s *summariser) apply(t target) {
	if slices.ContainsFunc(s.common, func(name string) bool { return sameName(name, t.name) }) {
		return
	}
	if len(s.targets) < 2 && !slices.ContainsFunc(s.targets, func(known target) bool { return sameName(known.name, t.name) }) {
		s.targets = append(s.targets, t)
	}
	s.add(t.name)
}

// sameName says whether two names are one. Case only matters between quotes.
func sameName(a, b string) bool {
	return a == b || !strings.Contains(a, `"`) && strings.EqualFold(a, b)
}

// add adds a part, unless that would be too long.
func (s *summariser) add(part string) {
	size := s.size + len(part)
	if len(s.parts) > 0 {
		size++
	}
	if s.full = s.full || size > maxSummary; !s.full {
		s.parts, s.size = append(s.parts, part), size
	}
}

// commonTables returns the names that WITH gives to queries: what stands before
// AS ( or before (columns) AS (.
func commonTables(tokens []token) []string {
	var names []string
	with := false
	for i, t := range tokens {
		with = with || t.is("WITH")
		if !with || !t.is("AS") || i == 0 {
			continue
		}
		next := i + 1
		for next < len(tokens) && tokens[next].is("NOT", "MATERIALIZED") {
			next++
		}
		if next == len(tokens) || !tokens[next].is("(") {
			continue
		}
		before := i - 1
		if tokens[before].is(")") {
			for before > 0 && !tokens[before].is("(") {
				before--
			}
			before--
		}
		if before >= 0 && tokens[before].named() {
			names = append(names, tokens[before].text)
		}
	}
	return names
}
