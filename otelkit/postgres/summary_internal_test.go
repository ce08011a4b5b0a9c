package postgres

import (
	"strings"
	"testing"
)

// The first five are the examples of the conventions (database spans, "Generating
// a summary of the query").
func TestASummaryTellsOperationsAndTargetsInTheirOrder(t *testing.T) {
	for _, tt := range []struct{ sql, summary, operation, collection string }{
		{"SELECT *\nFROM   wuser_table\nWHERE  username = ?", "SELECT wuser_table", "SELECT", "wuser_table"},
		{"INSERT INTO shipping_details (order_id, address) SELECT order_id, address FROM orders WHERE order_id = ?", "INSERT shipping_details SELECT orders", "INSERT", ""},
		{"SELECT * FROM songs, artists WHERE songs.artist_id = artists.id", "SELECT songs artists", "SELECT", ""},
		{"SELECT order_date FROM (SELECT * FROM orders o JOIN customers c ON o.customer_id = c.customer_id)", "SELECT SELECT orders customers", "SELECT", ""},
		{`SELECT * FROM "song list", artists`, `SELECT "song list" artists`, "SELECT", ""},

		{"select 1", "SELECT", "SELECT", ""},
		{"select count(*) from orders", "SELECT orders", "SELECT", "orders"},
		{"select id from shop.orders where id = $1 for update skip locked", "SELECT shop.orders", "SELECT", "shop.orders"},
		{"select 1 from orders for no key update of orders", "SELECT orders", "SELECT", "orders"},
		{"select distinct a from t where a is distinct from b and extract(year from c) = 2", "SELECT t", "SELECT", "t"},
		{"select a from t1 union all (select b from t2) order by 1", "SELECT t1 SELECT t2", "SELECT", ""},
		{"(select 1 from a) union (select 2 from b)", "SELECT a SELECT b", "SELECT", ""},
		{"select * from a left join lateral (select * from b where b.id = a.id) x on true, c", "SELECT a SELECT b c", "SELECT", ""},
		{"select * from (a join b using (id)) where exists (select 1 from c)", "SELECT a b SELECT c", "SELECT", ""},
		{"select * from only orders, generate_series(1, 10) n", "SELECT orders generate_series", "SELECT", ""},
		{"select * from orders o, orders p", "SELECT orders orders", "SELECT", "orders"},
		{"select trim(both 'x' from name), substring(name from 1 for 2) from people", "SELECT people", "SELECT", "people"},
		{"values (1), (2)", "VALUES", "VALUES", ""},
		{"table orders", "TABLE orders", "TABLE", "orders"},

		{"insert into orders values (1)", "INSERT orders", "INSERT", "orders"},
		{"-- name: PutOrder :exec\ninsert into orders (id, at) values ($1, now()) on conflict (id) do update set at = excluded.at returning id", "INSERT orders", "INSERT", "orders"},
		{"  /* hint /* nested */ */ update orders set id = 2", "UPDATE orders", "UPDATE", "orders"},
		{"update only orders o set n = l.n, m = 1 from order_lines l, stock where l.id = o.id", "UPDATE orders order_lines stock", "UPDATE", ""},
		{"delete from orders", "DELETE orders", "DELETE", "orders"},
		{"delete from a using b, c where a.id = b.id", "DELETE a b c", "DELETE", ""},
		{"merge into stock s using deliveries d on s.id = d.id when matched then update set n = 1 when not matched then insert (id) values (1) when matched then delete", "MERGE stock deliveries", "MERGE", ""},

		{"with x as (select 1) select * from x", "SELECT SELECT", "SELECT", ""},
		{"with gone as (delete from carts where id = $1 returning *), n(a, b) as not materialized (select 1, 2) insert into orders select * from gone", "DELETE carts SELECT INSERT orders SELECT", "INSERT", ""},
		{"with recursive t(n) as (values (1) union all select n + 1 from t) select * from t join boss on true", "SELECT SELECT boss", "SELECT", "boss"},

		{"create table if not exists shop.orders (id int primary key, at date references x (id) on update cascade on delete cascade)", "CREATE TABLE shop.orders", "CREATE TABLE", "shop.orders"},
		{"create temporary table t as select * from orders", "CREATE TABLE t SELECT orders", "CREATE TABLE", ""},
		{"create or replace view v as select * from orders", "CREATE VIEW v SELECT orders", "CREATE VIEW", ""},
		{"create unique index concurrently if not exists orders_at on orders (at)", "CREATE INDEX orders", "CREATE INDEX", "orders"},
		{"create trigger audit before insert or update of id or delete on orders execute function f()", "CREATE TRIGGER orders", "CREATE TRIGGER", "orders"},
		{"create materialized view mv as select 1", "CREATE VIEW mv SELECT", "CREATE VIEW", "mv"},
		{"create function f(a int, b text) returns int as $$ select 1 from secrets $$ language sql", "CREATE FUNCTION f", "CREATE FUNCTION", ""},
		{"create function f() returns int begin atomic; select 1 from secrets; end", "CREATE FUNCTION f", "CREATE FUNCTION", ""},
		{"create role r password 'x'", "CREATE", "CREATE", ""},
		{"alter table only orders add column x int", "ALTER TABLE orders", "ALTER TABLE", "orders"},
		{"drop table if exists a, b cascade", "DROP TABLE a b", "DROP TABLE", ""},
		{"drop function f(int, text)", "DROP FUNCTION f", "DROP FUNCTION", ""},
		{"truncate table only orders, order_lines restart identity", "TRUNCATE orders order_lines", "TRUNCATE", ""},

		{"copy orders (id, at) from stdin", "COPY orders", "COPY", "orders"},
		{"copy (select * from orders) to stdout", "COPY SELECT orders", "COPY", "orders"},
		{"call pay($1)", "CALL pay", "CALL", ""},
		{"execute paid_42(1)", "EXECUTE", "EXECUTE", ""},
		{"prepare p as select * from orders", "PREPARE SELECT orders", "PREPARE", "orders"},
		{"explain (analyze, buffers) update orders set id = 1", "EXPLAIN UPDATE orders", "EXPLAIN", "orders"},
		{"declare c cursor for select * from orders", "DECLARE SELECT orders", "DECLARE", "orders"},
		{"begin isolation level serializable", "BEGIN", "BEGIN", ""},
		{"COMMIT;", "COMMIT", "COMMIT", ""},
		{"set search_path = 'select'", "SET", "SET", ""},
		{"grant select, insert on orders to shop", "GRANT", "GRANT", ""},
		{"insert into a values (1); insert into b values (2);", "INSERT a INSERT b", "", ""},

		{"nonsense from a stranger", "", "", ""},
		{"-- ping", "", "", ""},
		{"", "", "", ""},
		{"select 'it\\' from secrets where x = '", "SELECT", "SELECT", ""},
		{"insert into orders values ('never closed, from secrets", "INSERT orders", "INSERT", "orders"},
	} {
		s := read(tt.sql, nil)
		if got := s.summary; got != (summary{tt.summary, tt.operation, tt.collection}) {
			t.Errorf("%s\ngot  %q, operation %q, collection %q\nwant %q, operation %q, collection %q",
				tt.sql, got.text, got.operation, got.collection, tt.summary, tt.operation, tt.collection)
		}
	}
}

func TestASummaryIsOfABoundedLengthAndOfWholeNames(t *testing.T) {
	tables := make([]string, 100)
	for i := range tables {
		tables[i] = "order_lines"
	}
	got := read("select * from "+strings.Join(tables, ", "), nil).text
	if len(got) > maxSummary || !strings.HasSuffix(got, " order_lines") {
		t.Errorf("%d bytes: %s", len(got), got)
	}
}

func TestATextIsRecordedWithoutItsLiterals(t *testing.T) {
	for sql, want := range map[string]string{
		"select * from orders where id = $1 and note = @note":         "select * from orders where id = $1 and note = @note",
		"select *\n\tfrom  orders -- for Bob\n where id=42":           "select * from orders where id=?",
		"select 'it''s', E'it\\'s', b'01', X'1f', U&'\\0441', n'x'":   "select ?, ?, ?, ?, ?, ?",
		"select $$it's$$, $tag$ $$ $tag$, 1.5, .5, 1e-9, 0x2A, 1_0":   "select ?, ?, ?, ?, ?, ?, ?",
		"select -1, a[1:2], x::numeric(10,2), true, FALSE, null":      "select -?, a[?:?], x::numeric(?,?), ?, ?, null",
		"select date '2026-11-24', interval '1 day' /* 'x' */ from t": "select date ?, interval ? from t",
		`select "Größe", "a""b" from t1 where ключ = 'значение'`:      `select "Größe", "a""b" from t1 where ключ = ?`,
		"select 'never closed":               "",
		"select /* never closed":             "",
		`select "never closed`:               "",
		"select $$never closed":              "",
		`select 'a\', from_here, 'b' from t`: "", // standard_conforming_strings may be off
	} {
		if got := read(sql, nil).query; got != want {
			t.Errorf("%s\ngot  %s\nwant %s", sql, got, want)
		}
	}
}

func TestARecordedTextIsOfABoundedLength(t *testing.T) {
	for name, sql := range map[string]string{
		"many rows":         "insert into orders values " + strings.Repeat("($1, $2), ", 5000),
		"a long literal":    "insert into orders values ('" + strings.Repeat("x", 20000) + "')",
		"a literal cut off": strings.Repeat("select 1 ", 1800) + "'" + strings.Repeat("secret", 1000),
	} {
		s := read(sql, nil)
		if len(s.query) > maxQuery || strings.Contains(s.query, "secret") || !strings.HasPrefix(s.query, sql[:6]) {
			t.Errorf("%s: %d bytes, %s", name, len(s.query), s.query)
		}
	}
}
