package pgwire

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"

	"jali/gateway"
	"jali/gateway/allowance"
	"jali/gateway/catalog"
	"jali/gateway/identity"
)

func TestLiteral(t *testing.T) {
	e := newEncoder()
	binary := func(oid uint32, text string) []byte {
		b, err := e.binary(oid, text)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, tt := range []struct {
		target   catalog.Type
		declared uint32
		format   int16
		value    []byte
		want     string // empty: refused
	}{
		{catalog.Integer, 0, 0, []byte("42"), "42"},
		{catalog.Integer, 0, 0, []byte("-42"), "(-42)"},
		{catalog.Integer, pgtype.Int4OID, 1, binary(pgtype.Int4OID, "-7"), "(-7)"},
		{catalog.Decimal, pgtype.Float8OID, 1, binary(pgtype.Float8OID, "0.25"), "0.25"},
		{catalog.Decimal, pgtype.NumericOID, 1, binary(pgtype.NumericOID, "12.50"), "12.50"},
		{catalog.Decimal, pgtype.Float8OID, 0, []byte("1e3"), "1000"},
		{catalog.Integer, pgtype.BoolOID, 1, []byte{1}, "1"},
		{catalog.Integer, pgtype.BoolOID, 0, []byte("f"), "0"},
		{catalog.Date, pgtype.DateOID, 0, []byte("2008-01-31"), "DATE '2008-01-31'"},
		{catalog.Date, pgtype.DateOID, 1, binary(pgtype.DateOID, "2008-01-31"), "DATE '2008-01-31'"},
		{catalog.Date, pgtype.TimestampOID, 0, []byte("2008-01-31 00:00:00"), "DATE '2008-01-31'"},
		{catalog.Text, 0, 0, []byte("it's"), "'it''s'"},
		{catalog.Text, 0, 1, []byte(`\' OR 1=1 --`), `'\'' OR 1=1 --'`},
		{catalog.Text, 0, 0, nil, "NULL"},
		{catalog.Integer, 0, 0, []byte("1 OR 1=1"), ""},
		{catalog.Integer, 0, 0, []byte("NaN"), ""},
		{catalog.Integer, 0, 0, []byte("Infinity"), ""},
		{catalog.Integer, 0, 0, []byte("0x10"), ""},
		{catalog.Integer, 0, 0, []byte("1e300"), ""},
		{catalog.Date, 0, 0, []byte("2008-01-31 12:00:00"), ""},
		{catalog.Date, 0, 0, []byte("today"), ""},
		{catalog.Text, 0, 0, []byte("a\x00b"), ""},
		{catalog.Text, 0, 0, []byte("a\nb"), ""},
		{catalog.Text, 0, 0, []byte("\xff"), ""},
		{catalog.Text, 0, 0, []byte(strings.Repeat("a", 257)), ""},
		{catalog.Text, 3802, 1, []byte("{}"), ""},
		{catalog.Integer, pgtype.Int4OID, 1, []byte{1, 2}, ""},
	} {
		got, err := e.literal(tt.target, tt.declared, tt.format, tt.value)
		if (err != nil) != (tt.want == "") || got != tt.want {
			t.Errorf("%q as %s: %q, %v, want %q", tt.value, tt.target, got, err, tt.want)
		}
		if err != nil && len(tt.value) > 4 && strings.Contains(err.Error(), string(tt.value)) {
			t.Errorf("the error shows the value: %v", err)
		}
	}
}

// FuzzLiteral: whatever the bytes are, what is written is one literal for the lexer: nothing of it can be more.
func FuzzLiteral(f *testing.F) {
	for _, v := range []string{"1", "-1", "it's", `\'`, "2008-01-31", "'; DROP", "--", "/*", "$$", "1e5", "\x00"} {
		for target := range uint8(4) {
			f.Add(target, uint32(0), int16(0), []byte(v))
			f.Add(target, uint32(pgtype.NumericOID), int16(1), []byte(v))
		}
	}
	e := newEncoder()
	f.Fuzz(func(t *testing.T, target uint8, declared uint32, format int16, value []byte) {
		kinds := []catalog.Type{catalog.Integer, catalog.Decimal, catalog.Date, catalog.Text}
		text, err := e.literal(kinds[target%4], declared, format&1, value)
		if err != nil {
			return
		}
		tokens, ok := lex("x " + text + " y")
		if !ok || len(tokens) < 3 || tokens[0].text != "x" || tokens[len(tokens)-1].text != "y" {
			t.Fatalf("%q becomes %q, which is not closed", value, text)
		}
		var shape []tokenKind
		for _, x := range tokens[1 : len(tokens)-1] {
			shape = append(shape, x.kind)
		}
		for _, allowed := range [][]tokenKind{{number}, {quoted}, {sign, sign, number, sign}, {word, quoted}, {word}} {
			if cmp.Equal(shape, allowed) && (len(allowed) != 1 || allowed[0] != word || text == "NULL") {
				return
			}
		}
		t.Fatalf("%q becomes %q", value, text)
	})
}

// FuzzSplit: any text is cut into statements that lie in it, in order, and every edit of them has a place in it.
func FuzzSplit(f *testing.F) {
	for _, s := range []string{"SELECT 1; SELECT 'a;b'", "a -- ;\n; b", "/* ; */ x", "$$;$$", `"a;b".c`, "E'\\';' ; y", "public.t", "x = $1::int"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		rest := s
		for _, st := range split(s) {
			at := strings.Index(rest, st.sql)
			if at < 0 {
				t.Fatalf("%q is not in what was left of %q", st.sql, s)
			}
			rest = rest[at+len(st.sql):]
			e := st.change(st.unquoted())
			for line := range 3 {
				for column := range 40 {
					if p := e.place(line+1, column+1); p < 0 || p > len([]rune(s))+1 {
						t.Fatalf("place %d in %q", p, s)
					}
				}
			}
			st.kind()
			st.holes()
			if st.verb() == "explain" {
				e.explained()
			}
		}
	})
}

func TestPlace(t *testing.T) {
	st := split(`SELECT 1; SELECT "sex", é FROM "public"."person" WHERE nope = $1`)[1]
	edits := st.unquoted()
	h := st.holes()
	e := st.change(append(edits, edit{h[0].at, h[0].end, " 'long literal' "}))
	if e.sql != `SELECT sex, é FROM person WHERE nope =  'long literal' ` {
		t.Fatal(e.sql)
	}
	for planned, client := range map[string]string{"sex": `"sex"`, "é": "é", "person": `"person"`, "nope": "nope", "'long": "$1"} {
		column := len([]rune(e.sql[:strings.Index(e.sql, planned)])) + 1
		whole := `SELECT 1; SELECT "sex", é FROM "public"."person" WHERE nope = $1`
		if got, want := e.place(1, column), len([]rune(whole[:strings.Index(whole, client)]))+1; got != want {
			t.Errorf("%s: character %d, want %d", planned, got, want)
		}
	}
}

// Every code of a refusal has a SQLSTATE of its own class; after a charge nothing but the number of the decision is told.
func TestRefusal(t *testing.T) {
	for _, tt := range []struct {
		refusal gateway.Refusal
		code    string
		at      int32
	}{
		{gateway.Refusal{Code: gateway.Syntax, Line: 1, Column: 3}, "42601", 3},
		{gateway.Refusal{Code: gateway.UnknownName, Message: "no column is called 'x'"}, "42703", 0},
		{gateway.Refusal{Code: gateway.UnknownName, Message: "no table is called 'x'"}, "42P01", 0},
		{gateway.Refusal{Code: gateway.PolicyDenied}, "42501", 0},
		{gateway.Refusal{Code: gateway.BudgetAgreement}, "53400", 0},
		{gateway.Refusal{Code: gateway.BudgetPopulation}, "53400", 0},
		{gateway.Refusal{Code: gateway.Rate}, "53000", 0},
		{gateway.Refusal{Code: "SOMETHING_NEW", Message: "secret", Hint: "secret"}, "XX000", 0},
		{gateway.Refusal{Code: gateway.NoAnswer, Message: "secret", Hint: "secret", Line: 1, Column: 1}, "JA001", 0},
		{gateway.Refusal{Code: gateway.NotReleased, Message: "secret", Hint: "secret"}, "JA002", 0},
	} {
		tt.refusal.Decision = 17
		got := refusal(&tt.refusal, func(_, column int) int { return column })
		if got.Code != tt.code || got.Position != tt.at || strings.Contains(got.Message+got.Hint, "secret") {
			t.Errorf("%s: %+v", tt.refusal.Code, got)
		}
		if tt.code != "XX000" && got.Detail != "decision 17" {
			t.Errorf("%s: detail %q", tt.refusal.Code, got.Detail)
		}
	}
	if got := refusal(io.ErrNoProgress, nil); got.Code != "XX000" || got.Message != internalText || got.Detail+got.Hint != "" {
		t.Errorf("%+v", got)
	}
}

// FuzzSession: any bytes of an authenticated caller end in answers, errors or the end of the session; never in a panic, and never in an answer of the gateway
// that was not asked for: it has no data.
func FuzzSession(f *testing.F) {
	operator := slog.New(slog.DiscardHandler)
	g, _ := empty(f, operator)
	f.Cleanup(func() { g.Close() })
	seed := func(messages ...pgproto3.FrontendMessage) {
		var b []byte
		for _, m := range messages {
			b, _ = m.Encode(b)
		}
		f.Add(b)
	}
	seed(&pgproto3.Query{String: "SELECT 1; SET jali.error = 5; SHOW ALL; BEGIN; EXPLAIN SELECT 1 FROM x"})
	seed(&pgproto3.Parse{Name: "a", Query: "SELECT $1, $2::int FROM t WHERE c = $3", ParameterOIDs: []uint32{23, 0, 1700}}, &pgproto3.Describe{ObjectType: 'S', Name: "a"},
		&pgproto3.Bind{PreparedStatement: "a", Parameters: [][]byte{{1}, nil, []byte("x")}, ParameterFormatCodes: []int16{1, 0, 0}}, &pgproto3.Execute{MaxRows: 1}, &pgproto3.Sync{})
	seed(&pgproto3.Bind{}, &pgproto3.Sync{}, &pgproto3.Close{ObjectType: 'S'}, &pgproto3.Flush{}, &pgproto3.Terminate{})
	who := identity.Principal{Name: "Ada", Org: "University", Role: identity.Researcher, Key: strings.Repeat("a", 64)}
	rates, err := allowance.New(1e5, 1e6)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		conn := &replaying{in: bytes.NewReader(input)}
		c, err := Config{Gateway: g, Listen: "x", Trust: new(identity.Trust), Operator: operator, Rates: rates}.withDefaults()
		if err != nil {
			t.Fatal(err)
		}
		limits := newLimits(c)
		mine, _ := limits.join(who)
		s := &session{
			server: &server{Config: c, limits: limits, cancels: newCancels(), draining: t.Context()}, mine: mine,
			conn: &timed{Conn: conn, read: time.Second, stop: t.Context()}, set: newSettings(), status: 'I', encode: newEncoder(), prepared: newPrepared(),
			who: func() (identity.Principal, error) { return who, nil },
		}
		s.set.started()
		s.wire = pgproto3.NewBackend(s.conn, s.conn)
		s.wire.SetMaxBodyLen(maxMessage)
		s.serve(context.Background())
		s.running.Wait()
		if s.last != nil {
			t.Fatal("an answer came from nowhere")
		}
	})
}

// replaying reads from memory and throws away what is written.
type replaying struct {
	net.Conn
	in io.Reader
}

func (r *replaying) Read(p []byte) (int, error)       { return r.in.Read(p) }
func (r *replaying) Write(p []byte) (int, error)      { return len(p), nil }
func (r *replaying) SetReadDeadline(time.Time) error  { return nil }
func (r *replaying) SetWriteDeadline(time.Time) error { return nil }
