package pgwire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/jackc/pgx/v5/pgproto3"

	"jali/gateway/allowance"
	"jali/gateway/identity"
	"jali/gateway/identity/oidctest"
)

// A stranger who sends a byte now and then does not hold a place beyond the time that a start has.
func TestDribble(t *testing.T) {
	p := oidctest.Start(t, oidctest.Settings{Keys: []jose.JSONWebKey{oidctest.NewKey(t, "one")}, TTL: 600})
	r := start(t, func(c *Config) { c.starts = time.Second })
	r.believe(t, p.Issuer)
	conn := r.secure(t, nil, "")
	send(t, conn, &pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"user": "anybody"}})
	if _, err := pgproto3.NewFrontend(conn, conn).Receive(); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	message, err := (&pgproto3.PasswordMessage{Password: strings.Repeat("x", 10_000)}).Encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range message {
		if _, err := conn.Write([]byte{c}); err != nil {
			return
		}
		if time.Sleep(100 * time.Millisecond); time.Since(begin) > 5*time.Second {
			t.Fatal("the connection stands after five times its time")
		}
	}
}

// What somebody who is nobody yet may send is little.
func TestPasswordLength(t *testing.T) {
	p := oidctest.Start(t, oidctest.Settings{Keys: []jose.JSONWebKey{oidctest.NewKey(t, "one")}, TTL: 600})
	r := start(t, nil)
	r.believe(t, p.Issuer)
	if s, refused := r.password(t, strings.Repeat("x", 18<<10)); s != nil && refused == nil {
		t.Error("a token of 18 KiB began a session")
	}
	conn := r.secure(t, nil, "")
	send(t, conn, &pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"user": "anybody"}})
	in := pgproto3.NewFrontend(conn, conn)
	if _, err := in.Receive(); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte{'p', 0, 3, 0, 0}); err != nil { // 192 KiB are to come
		t.Fatal(err)
	}
	if m, err := in.Receive(); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the gateway waits for a password of 192 KiB")
	} else if e, ok := m.(*pgproto3.ErrorResponse); err == nil && (!ok || e.Severity != "FATAL") {
		t.Errorf("a password of 192 KiB is answered %T", m)
	}
}

// Connections that never say who they are do not shut out those at other addresses, nor sessions that stand.
func TestKnockers(t *testing.T) {
	r := start(t, func(c *Config) { c.Connections = 40 })
	s, refused := r.session(t, nil)
	if refused != nil {
		t.Fatal(refused)
	}
	for range 60 {
		r.dial(t)
	}
	time.Sleep(100 * time.Millisecond) // until they are accepted
	from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}, Timeout: 5 * time.Second}
	conn, err := from.Dial("tcp", r.addr)
	if err != nil {
		t.Skip("this machine has no second loopback address: ", err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	send(t, conn, &pgproto3.SSLRequest{})
	answer := make([]byte, 1)
	if _, err := conn.Read(answer); err != nil || answer[0] != 'S' {
		t.Errorf("from another address: %q, %v", answer, err)
	}
	send(t, s.conn, &pgproto3.Query{String: "SELECT 1"})
	if got := state(s.until(t)); got != "" {
		t.Errorf("the session that stands: %q", got)
	}
}

// One number that stands at very many places is refused before anything is made of it.
func TestManyPlaces(t *testing.T) {
	r := start(t, nil)
	s, refused := r.session(t, nil)
	if refused != nil {
		t.Fatal(refused)
	}
	begin := time.Now()
	send(t, s.conn,
		&pgproto3.Parse{Query: "SELECT COUNT(*) FROM t WHERE a IN (" + strings.Repeat("$1,", 60_000) + "$1)"},
		&pgproto3.Bind{Parameters: [][]byte{[]byte(strings.Repeat("x", 256))}}, &pgproto3.Sync{})
	if got := state(s.until(t)); got != "54000" {
		t.Errorf("%q", got)
	}
	if took := time.Since(begin); took > 4*time.Second {
		t.Errorf("it took %v", took)
	}
	send(t, s.conn, &pgproto3.Parse{Query: "SELECT 1 WHERE 1 IN (" + strings.Repeat("$1,", maxBound-1) + "$1)"}, &pgproto3.Sync{})
	if got := state(s.until(t)); got != "" {
		t.Errorf("%d places: %q", maxBound, got)
	}
}

// Answers of messages without a Sync are sent, not kept: a client that does not read them is not read either.
func TestNoSync(t *testing.T) {
	r := start(t, nil)
	s, refused := r.session(t, nil)
	if refused != nil {
		t.Fatal(refused)
	}
	var some []byte
	for range 10_000 {
		var err error
		if some, err = (&pgproto3.Close{ObjectType: 'S'}).Encode(some); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.conn.SetDeadline(time.Now().Add(4 * time.Second)); err != nil {
		t.Fatal(err)
	}
	const much = 128 << 20 // beyond what two sockets buffer
	for sent := 0; sent < much; sent += len(some) {
		if _, err := s.conn.Write(some); err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("the connection broke: %v", err)
			}
			return
		}
	}
	t.Errorf("%d MiB of messages were taken, and what they are answered is kept", much>>20)
}

// Prepared statements and portals count with what they take, not with their text.
func TestKept(t *testing.T) {
	r := start(t, nil)
	s, refused := r.session(t, nil)
	if refused != nil {
		t.Fatal(refused)
	}
	got := ""
	for i := 0; i < 100 && got == ""; i++ {
		send(t, s.conn, &pgproto3.Parse{Name: fmt.Sprint("s", i), Query: strings.Repeat("1 ", 8_000)}, &pgproto3.Sync{})
		got = state(s.until(t))
	}
	if got != "53000" {
		t.Errorf("a hundred statements of 8,000 tokens: %q", got)
	}
	send(t, s.conn, &pgproto3.Query{String: "DEALLOCATE ALL"})
	if got := state(s.until(t)); got != "" {
		t.Errorf("DEALLOCATE ALL: %q", got)
	}
	send(t, s.conn, &pgproto3.Query{String: "BEGIN"}, &pgproto3.Parse{Query: "SELECT " + strings.Repeat("a, ", 39) + "a FROM generate_series(1, 10000) AS a"})
	s.until(t)
	for i := 0; i < 5 && got == ""; i++ {
		send(t, s.conn, &pgproto3.Bind{DestinationPortal: fmt.Sprint("p", i)}, &pgproto3.Execute{Portal: fmt.Sprint("p", i), MaxRows: 1}, &pgproto3.Sync{})
		got = state(s.until(t))
	}
	if got != "53000" {
		t.Errorf("portals that keep 400,000 values each: %q", got)
	}
}

// A statement that was canceled may end a moment later: what the session does in the meantime is not its business. The race detector watches.
func TestSettingsOfACanceledStatement(t *testing.T) {
	rates, err := allowance.New(10_000, 10_000)
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, func(c *Config) { c.Rates = rates })
	s, refused := r.session(t, nil)
	if refused != nil {
		t.Fatal(refused)
	}
	if err := s.conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	// What is to change the settings waits in the line already. The statement reads them from its first row on.
	send(t, s.conn, &pgproto3.Query{String: "SELECT " + strings.Repeat("current_setting('application_name'), ", 200) + "1 FROM generate_series(1, 10000) pg_a"})
	for range 50 {
		send(t, s.conn, &pgproto3.Query{String: "SET application_name = 'x'"})
	}
	time.Sleep(300 * time.Millisecond)
	send(t, r.dial(t), &pgproto3.CancelRequest{ProcessID: s.key.ProcessID, SecretKey: s.key.SecretKey})
	if got := state(s.until(t)); got != "57014" && got != "54000" {
		t.Errorf("the statement ended with %q", got)
	}
	for range 50 {
		if got := state(s.until(t)); got != "" {
			t.Errorf("SET: %q", got)
		}
	}
}

// Turns are those of a principal and of all; who gives up waiting leaves none taken.
func TestTurns(t *testing.T) {
	l := newLimits(Config{Each: 8})
	now, stop := context.WithCancel(t.Context())
	stop()
	var ends []func()
	for i := range 3 {
		mine, _ := l.join(identity.Principal{Name: fmt.Sprint(i), Org: "University"})
		for range mostOwn {
			end, err := l.turn(t.Context(), mine)
			if i < mostTurns/mostOwn {
				if err != nil {
					t.Fatal(err)
				}
				ends = append(ends, end)
				continue
			}
			t.Fatal("more turns than there are")
		}
		if _, err := l.turn(now, mine); !errors.Is(err, context.Canceled) {
			t.Errorf("principal %d has another turn: %v", i, err)
		}
		if len(ends) == mostTurns {
			break
		}
	}
	other, _ := l.join(identity.Principal{Name: "other", Org: "University"})
	for range 2 * mostOwn {
		if _, err := l.turn(now, other); !errors.Is(err, context.Canceled) {
			t.Fatalf("more turns than there are: %v", err)
		}
	}
	for _, end := range ends {
		end()
	}
	for range mostOwn {
		if _, err := l.turn(t.Context(), other); err != nil {
			t.Fatal(err)
		}
	}
}

// A name loses its quotes, not its distance to the words beside it.
func TestApart(t *testing.T) {
	for in, want := range map[string]string{
		`SELECT "n"FROM t`: `SELECT n FROM t`, `SELECT count(*)AS"n"`: `SELECT count(*)AS n`, `SELECT "a","b" FROM "t"`: `SELECT a,b FROM t`,
		`SELECT "a b"FROM t`: `SELECT "a b"FROM t`, `SELECT 1"n"`: `SELECT 1 n`, `SELECT a.public."x"`: `SELECT a.public.x`,
	} {
		st := split(in)[0]
		if got := st.change(st.unquoted()).sql; got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}
