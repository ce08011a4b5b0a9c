package postgres

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// marks are what the literals of the tests below hold, and what telemetry must
// not.
const (
	textMark   = "s3cr3t"
	numberMark = "918273645"
)

// forms are the ways in which SQL can write a value that holds some text.
var forms = []func(text string) string{
	func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" },
	func(s string) string { return "E'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) + "'" },
	func(s string) string { return "e'" + strings.NewReplacer(`\`, `\\`, "'", "''").Replace(s) + "'" },
	func(s string) string { return "U&'" + strings.ReplaceAll(s, "'", "''") + "' uescape '!'" },
	func(s string) string { return "n'" + strings.ReplaceAll(s, "'", "''") + "'" },
	func(s string) string { return "$$" + strings.ReplaceAll(s, "$", "") + "$$" },
	func(s string) string { return "$été_1$" + strings.ReplaceAll(s, "$été_1$", "") + "$été_1$" },
	func(s string) string { return "'first'\n'" + strings.ReplaceAll(s, "'", "''") + "'" },
	func(s string) string {
		return "/* " + strings.NewReplacer("*/", "", "/*", "", "*", "", "/", "").Replace(s) + " */ 1"
	},
	func(s string) string { return "-- " + strings.NewReplacer("\n", "", "\r", "").Replace(s) + "\n 1" },
	func(string) string { return numberMark },
	func(string) string { return numberMark + ".25e-10" },
	func(string) string { return "-." + numberMark },
	func(string) string { return "0x" + numberMark },
	func(string) string { return "x'" + numberMark + "'" },
}

// texts are SQL that literals stand in.
var texts = []string{
	"select * from orders where id = %s and name=%s",
	"insert into orders(a,b) values(%s,%s)on conflict do nothing",
	"update orders set a=%s::text where b in(%s)",
	`with "x" as (select %s) delete from orders using x where f(%s)`,
	"select %s as a,%s",
	"copy orders from %s with (delimiter %s)",
	"call pay(%s, %s)",
	"set x = %s; create role r password %s",
	"%s %s",
	"create table t (a text default %s, check (a <> %s))",
	"execute p(%s, %s)",
}

func checkNothingSurvives(t *testing.T, sql string) {
	t.Helper()
	s := read(sql, nil)
	b := together([]*statement{s, s, read("select 1", nil)})
	for _, told := range []string{s.text, s.operation, s.collection, s.query, s.spanName(), b.text, b.operation, b.collection, b.query} {
		if strings.Contains(told, textMark) || strings.Contains(told, numberMark) {
			t.Errorf("a literal survived in %q of\n%s", told, sql)
		}
	}
}

func TestNoLiteralSurvives(t *testing.T) {
	surroundings := []string{
		"%s", "'%s", "%s'", "it's %s", "'%s'", `\%s`, `%s\`, `\'%s\'`, `"%s"`, `"%s`, "$$%s", "$1%s$2", "-- %s", "/* %s", "%s */",
		"; select * from %s", "\n%s\n", "Größe %s 値段", "\x00%s\x80", "E'%s'", `\\'%s`, "$été_1$%s",
	}
	n := 0
	for _, text := range texts {
		for _, one := range forms {
			for _, other := range forms {
				for _, around := range surroundings {
					secret := strings.Replace(around, "%s", textMark, 1)
					checkNothingSurvives(t, fmt.Sprintf(text, one(secret), other(secret)))
					n++
				}
			}
		}
	}
	if n < 50000 {
		t.Errorf("only %d texts were tried", n)
	}
}

func FuzzNoLiteralSurvives(f *testing.F) {
	f.Add("it's", "\\", uint8(0), uint8(1), uint8(2))
	f.Add("$$", "/*", uint8(5), uint8(8), uint8(3))
	f.Fuzz(func(t *testing.T, before, after string, text, one, other uint8) {
		if strings.Contains(before+after, numberMark) {
			return
		}
		secret := before + textMark + after
		if strings.Contains(before+after, textMark) {
			return
		}
		checkNothingSurvives(t, fmt.Sprintf(texts[int(text)%len(texts)], forms[int(one)%len(forms)](secret), forms[int(other)%len(forms)](secret)))
	})
}

func FuzzAnyTextCanBeRead(f *testing.F) {
	for _, text := range texts {
		f.Add(text)
	}
	f.Add("\x00'\xff$a$\"--/*")
	f.Add("drop table a,,b.(c")
	f.Fuzz(func(t *testing.T, sql string) {
		s := read(sql, nil)
		if len(s.text) > maxSummary || len(s.query) > maxQuery {
			t.Errorf("summary of %d bytes, text of %d", len(s.text), len(s.query))
		}
		if utf8.ValidString(sql) && !utf8.ValidString(s.text+s.query) {
			t.Errorf("%q was cut within a character: %q, %q", sql, s.text, s.query)
		}
		if s.query != "" && !strings.HasSuffix(s.query, " ...") {
			if again := read(s.query, nil); again.query != s.query {
				t.Errorf("%q is read as %q", s.query, again.query)
			}
		}
	})
}
