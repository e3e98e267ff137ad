package pgwire

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// Statements that touch no data, one after the other in one session.
func TestStatements(t *testing.T) {
	r := start(t, nil)
	s, refused := r.session(t, map[string]string{"options": "-c jali.error=50"})
	if refused != nil {
		t.Fatal(refused)
	}
	for _, tt := range []struct {
		sql    string
		code   string
		value  string // of the first row's first column
		status byte
	}{
		{"", "", "", 'I'},
		{" ; -- nothing", "", "", 'I'},
		{"SHOW jali.error", "", "50", 'I'},
		{"SET jali.error = 0.5", "", "", 'I'},
		{"SHOW jali.error", "", "0.5", 'I'},
		{"SET jali.error TO DEFAULT; SHOW jali.error", "", "50", 'I'},
		{"SET SESSION jali.purpose TO 'DUO:0000006'; SHOW jali.purpose", "", "DUO:0000006", 'I'},
		{"RESET ALL; SHOW jali.purpose", "", "", 'I'},
		{"SET jali.intervals = maybe", "22023", "", 'I'},
		{"SET jali.error_for = 'n = 5, n = 6'", "22023", "", 'I'},
		{"SET jali.nothing = 1", "42704", "", 'I'},
		{"SET LOCAL jali.error = 1", "0A000", "", 'I'},
		{"SET server_version = 9", "55P02", "", 'I'},
		{"SET client_encoding TO 'UTF8'", "", "", 'I'},
		{"SET datestyle = 'German'", "22023", "", 'I'},
		{"SET TIME ZONE 'Asia/Seoul'; SHOW TIME ZONE", "", "Asia/Seoul", 'I'},
		{"SHOW server_version", "", "15.0 (Jali)", 'I'},
		{"SHOW jali.receipt", "55000", "", 'I'},
		{"BEGIN", "", "", 'T'},
		{"SAVEPOINT a; ROLLBACK TO SAVEPOINT a", "", "", 'T'},
		{"SELECT nope FROM pg_type", "42703", "", 'T'},
		{"COMMIT", "", "", 'I'},
		{"SELECT 1 + 1; SELECT 3", "", "2", 'I'},
		{"SELECT 1; SELECT $x", "0A000", "1", 'I'},
		{"SELECT current_database()", "", "jali", 'I'},
		{"DISCARD ALL; DEALLOCATE ALL; CLOSE ALL; UNLISTEN *", "", "", 'I'},
		{"SELECT COUNT(*) FROM nhefs", "22023", "", 'I'}, // no agreement
		{"SET jali.agreement = 'none'; SET jali.purpose = 'DUO:0000006'", "", "", 'I'},
		{"SELECT COUNT(*) FROM nhefs", "42501", "", 'I'},
		{"EXPLAIN SELECT COUNT(*) FROM nhefs", "42501", "", 'I'},
		{"COPY nhefs TO STDOUT", "42501", "", 'I'}, // the gateway is asked, and has it on record
		{"SHOW jali.budget", "42704", "", 'I'},
	} {
		send(t, s.conn, &pgproto3.Query{String: tt.sql})
		got := s.until(t)
		value := ""
		for _, m := range got {
			if row, ok := m.(*pgproto3.DataRow); ok {
				value = string(row.Values[0])
				break
			}
		}
		ready, _ := got[len(got)-1].(*pgproto3.ReadyForQuery)
		if ready == nil || ready.TxStatus != tt.status || state(got) != tt.code || value != tt.value {
			t.Errorf("%s: %q %q, want %q %q", tt.sql, state(got), value, tt.code, tt.value)
		}
	}
	if log := r.log.String(); strings.Contains(log, "nhefs") || !strings.Contains(log, "sqlstate=42501") {
		t.Errorf("log:\n%s", log)
	}
}

// The extended protocol: order, what is skipped after an error, portals that pause, names that do not exist.
func TestExtended(t *testing.T) {
	r := start(t, nil)
	s, refused := r.session(t, nil)
	if refused != nil {
		t.Fatal(refused)
	}
	exchange := func(messages ...pgproto3.FrontendMessage) string {
		t.Helper()
		send(t, s.conn, append(messages, &pgproto3.Sync{})...)
		var out []string
		for _, m := range s.until(t) {
			switch m := m.(type) {
			case *pgproto3.ErrorResponse:
				out = append(out, m.Code)
			case *pgproto3.DataRow:
				out = append(out, "row:"+string(m.Values[0]))
			case *pgproto3.CommandComplete:
				out = append(out, string(m.CommandTag))
			case *pgproto3.ParseComplete:
				out = append(out, "parsed")
			case *pgproto3.BindComplete:
				out = append(out, "bound")
			case *pgproto3.RowDescription:
				out = append(out, "columns")
			case *pgproto3.ParameterDescription:
				out = append(out, "parameters")
			case *pgproto3.NoData:
				out = append(out, "nothing")
			case *pgproto3.PortalSuspended:
				out = append(out, "paused")
			case *pgproto3.EmptyQueryResponse:
				out = append(out, "empty")
			case *pgproto3.CloseComplete:
				out = append(out, "closed")
			}
		}
		return strings.Join(out, " ")
	}
	const series = "SELECT n FROM pg_catalog.generate_series(1, 3) n WHERE 'pg_' <> $1"
	for _, tt := range []struct {
		name     string
		messages []pgproto3.FrontendMessage
		want     string
	}{
		{"whole", []pgproto3.FrontendMessage{
			&pgproto3.Parse{Query: "SELECT $1::int + 1"}, &pgproto3.Bind{Parameters: [][]byte{[]byte("41")}}, &pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{},
		}, "parsed bound columns row:42 SELECT 1"},
		{"named, described, closed", []pgproto3.FrontendMessage{
			&pgproto3.Parse{Name: "a", Query: "SELECT $1"}, &pgproto3.Describe{ObjectType: 'S', Name: "a"}, &pgproto3.Close{ObjectType: 'S', Name: "a"},
		}, "parsed parameters columns closed"},
		{"a quote stays a text", []pgproto3.FrontendMessage{
			&pgproto3.Parse{Query: "SELECT $1"}, &pgproto3.Bind{Parameters: [][]byte{[]byte("x' || version() || '")}}, &pgproto3.Execute{},
		}, "parsed bound row:x' || version() || ' SELECT 1"},
		{"set", []pgproto3.FrontendMessage{
			&pgproto3.Parse{Query: "SET jali.error = 5"}, &pgproto3.Bind{}, &pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{},
		}, "parsed bound nothing SET"},
		{"nothing", []pgproto3.FrontendMessage{&pgproto3.Parse{Query: ""}, &pgproto3.Bind{}, &pgproto3.Execute{}}, "parsed bound empty"},
		{"no statement", []pgproto3.FrontendMessage{&pgproto3.Bind{PreparedStatement: "no"}, &pgproto3.Execute{}}, "26000"},
		{"no portal", []pgproto3.FrontendMessage{&pgproto3.Execute{Portal: "no"}}, "34000"},
		{"two statements", []pgproto3.FrontendMessage{&pgproto3.Parse{Query: "SELECT 1; SELECT 2"}, &pgproto3.Bind{}}, "42601"},
		{"too few parameters", []pgproto3.FrontendMessage{&pgproto3.Parse{Query: "SELECT $2"}, &pgproto3.Bind{Parameters: [][]byte{[]byte("1")}}}, "parsed 08P01"},
		{"no such parameter", []pgproto3.FrontendMessage{&pgproto3.Parse{Query: "SELECT $0"}, &pgproto3.Bind{}}, "parsed 42P02"},
		{"too many parameters", []pgproto3.FrontendMessage{&pgproto3.Parse{Query: "SELECT $99999999999999999999"}}, "54000"},
		{"same name twice", []pgproto3.FrontendMessage{&pgproto3.Parse{Name: "b", Query: "SELECT 1"}, &pgproto3.Parse{Name: "b", Query: "SELECT 1"}}, "parsed 42P05"},
		{"no format", []pgproto3.FrontendMessage{&pgproto3.Parse{Query: "SELECT 1"}, &pgproto3.Bind{ResultFormatCodes: []int16{7}}}, "parsed 08P01"},
		{"in parts", []pgproto3.FrontendMessage{
			&pgproto3.Parse{Query: series}, &pgproto3.Bind{Parameters: [][]byte{[]byte("x")}}, &pgproto3.Execute{MaxRows: 2}, &pgproto3.Execute{MaxRows: 2},
		}, "parsed bound row:1 row:2 paused row:3 SELECT 3"},
		{"skipped until sync", []pgproto3.FrontendMessage{&pgproto3.Parse{Query: "SELECT 1"}, &pgproto3.Execute{Portal: "no"}, &pgproto3.Bind{}, &pgproto3.Execute{}}, "parsed 34000"},
		{"portals end with sync", []pgproto3.FrontendMessage{&pgproto3.Execute{}}, "34000"},
	} {
		if got := exchange(tt.messages...); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// A cancel request without the secret does nothing, and nobody can tell.
func TestCancelSecret(t *testing.T) {
	c := newCancels()
	id, secret, err := c.register()
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := c.begin(t.Context(), id)
	defer end()
	for _, wrong := range [][]byte{nil, {}, {0, 0, 0, 0}, append([]byte{secret[0] ^ 1}, secret[1:]...), append(secret[:4:4], 0)} {
		c.cancel(id, wrong)
		c.cancel(id+1, secret)
		if ctx.Err() != nil {
			t.Fatalf("cancelled with %x", wrong)
		}
	}
	c.cancel(id, secret)
	if ctx.Err() == nil {
		t.Error("not cancelled")
	}
	end()
	c.cancel(id, secret) // nothing under way
	c.remove(id)
	c.cancel(id, secret)
}
