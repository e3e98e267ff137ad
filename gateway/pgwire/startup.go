package pgwire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"jali/gateway/identity"
)

// started is a session with what must be undone when it ends.
type started struct {
	*session
	end func()
}

// start takes the start of a session on a connection that is secret already: who calls, what it sets, and the answer that it may begin.
func (s *server) start(ctx context.Context, secure *tls.Conn) (started, error) {
	message, err := readStart(secure)
	if err != nil {
		return started{}, errClosed
	}
	switch m := message.(type) {
	case *pgproto3.CancelRequest:
		s.cancels.cancel(m.ProcessID, m.SecretKey)
		return started{}, errClosed
	case *pgproto3.StartupMessage:
		n := &session{
			server: s, conn: &timed{Conn: secure, read: startTime, stop: s.draining}, set: newSettings(), status: 'I', encode: newEncoder(),
			user: m.Parameters["user"], prepared: newPrepared(),
		}
		n.wire = pgproto3.NewBackend(n.conn, n.conn)
		n.wire.SetMaxBodyLen(maxPassword)
		return n.begin(ctx, secure, m)
	}
	return started{}, errClosed
}

func (s *session) begin(ctx context.Context, secure *tls.Conn, m *pgproto3.StartupMessage) (started, error) {
	w := s.watch(ctx, kindStart)
	refuse := func(err error) (started, error) {
		e := refusal(err, nil)
		fatal(s.wire, e.Code, e.Message, e.Hint)
		w.end(e.Code)
		return started{}, errClosed
	}
	s.negotiate(m)
	var err error
	if s.who, err = s.authenticate(ctx, secure); err != nil {
		s.who = nobody
		return refuse(err)
	}
	who, err := s.who()
	if err != nil {
		return refuse(err)
	}
	mine, leave := s.limits.join(who)
	if mine == nil {
		return refuse(&fault{code: "53300", message: "you have too many connections open", hint: "close some, or use a pool"})
	}
	if err := s.configure(who, m.Parameters); err != nil {
		leave()
		return refuse(err)
	}
	id, secret, err := s.cancels.register()
	if err != nil {
		leave()
		return refuse(err)
	}
	s.id, s.mine = id, mine
	s.wire.Send(&pgproto3.AuthenticationOk{})
	s.set.started()
	for _, setting := range slices.Sorted(maps.Keys(reported)) {
		s.parameter(setting)
	}
	s.wire.Send(&pgproto3.ParameterStatus{Name: "session_authorization", Value: s.user})
	s.wire.Send(&pgproto3.BackendKeyData{ProcessID: id, SecretKey: secret})
	s.conn.read = s.Idle
	s.wire.SetMaxBodyLen(maxMessage)
	if err := s.ready(); err != nil {
		s.cancels.remove(id)
		leave()
		return started{}, errClosed
	}
	w.end(stateOK)
	return started{session: s, end: leave}, nil
}

func nobody() (identity.Principal, error) { return identity.Principal{}, identity.ErrNoPrincipal }

// negotiate answers a client that speaks a later minor version or options of one: 3.0 without options it is.
func (s *session) negotiate(m *pgproto3.StartupMessage) {
	var unknown []string
	for key := range m.Parameters {
		if strings.HasPrefix(key, "_pq_.") {
			unknown = append(unknown, key)
			delete(m.Parameters, key)
		}
	}
	if m.ProtocolVersion != pgproto3.ProtocolVersion30 || len(unknown) > 0 {
		slices.Sort(unknown)
		s.wire.Send(&pgproto3.NegotiateProtocolVersion{NewestMinorProtocol: pgproto3.ProtocolVersion30, UnrecognizedOptions: unknown})
	}
}

// authenticate names the caller: by certificate, or, where there is none and the custodian takes tokens, by the token it sends as its password. The
// connection is TLS already, so the token is read by nobody else. What it returns asks anew each time.
func (s *session) authenticate(ctx context.Context, secure *tls.Conn) (func() (identity.Principal, error), error) {
	state := secure.ConnectionState()
	if len(state.PeerCertificates) > 0 || !s.Trust.TakesTokens() {
		return func() (identity.Principal, error) { return s.Trust.Certificate(state) }, nil
	}
	s.wire.Send(&pgproto3.AuthenticationCleartextPassword{})
	if err := s.wire.Flush(); err != nil {
		return nil, errClosed
	}
	message, err := s.wire.Receive()
	if err != nil {
		return nil, errClosed
	}
	password, ok := message.(*pgproto3.PasswordMessage)
	if !ok {
		return nil, errToken
	}
	token := password.Password
	return func() (identity.Principal, error) {
		within, cancel := context.WithTimeout(context.WithoutCancel(ctx), startTime)
		defer cancel()
		who, err := s.Trust.Token(within, state, token)
		switch {
		case errors.Is(err, identity.ErrProvider): // says nothing about the token
			return identity.Principal{}, err
		case err != nil:
			return identity.Principal{}, fmt.Errorf("%w: %w", errToken, err)
		}
		return who, nil
	}, nil
}

// errToken says no more: why a token is refused is the operator's matter.
var errToken = &fault{code: "28P01", message: "the token is not accepted, or not any more", hint: "ask your identity provider for a new access token and send it as the password"}

// configure applies what the client sets at its start: the options, settings by name, and the names of user and database, which can stand for
// agreement@purpose and dataset where a program has no place for options.
func (s *session) configure(who identity.Principal, parameters map[string]string) error {
	if len(parameters) > maxParameters {
		return &fault{code: "54000", message: "too many startup parameters", hint: "leave some out"}
	}
	if agreement, purpose, ok := strings.Cut(s.user, "@"); ok {
		purpose, half, _ := strings.Cut(purpose, "@")
		for setting, value := range map[string]string{setAgreement: agreement, setPurpose: purpose, setError: half} {
			if err := s.set.set(setting, value); err != nil {
				return err
			}
		}
	}
	s.database = parameters["database"]
	switch s.database {
	case "", s.user:
		s.database = defaultDatabase
	case defaultDatabase:
	default:
		known := false
		for _, d := range s.Gateway.Datasets(who) {
			known = known || d.ID == s.database
		}
		if !known {
			return &fault{code: "3D000", message: "no dataset of this name is open to you", hint: "the database is a dataset's id, or " + defaultDatabase}
		}
		if err := s.set.set(setDataset, s.database); err != nil {
			return err
		}
	}
	for _, key := range slices.Sorted(maps.Keys(parameters)) {
		value := parameters[key]
		var err error
		switch key {
		case "user", "database":
		case "replication":
			err = &fault{code: "0A000", message: "there is nothing to replicate", hint: "connect without replication"}
		case "options":
			err = s.options(value)
		default:
			err = s.set.set(key, value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

const (
	defaultDatabase = "jali"
	// maxPassword bounds the first message of somebody who is nobody yet. A token has at most 16 KiB (package identity).
	maxPassword   = 20 << 10
	maxParameters = 64
)

// options reads -c name=value and --name=value, with backslashes before spaces that belong to a value.
func (s *session) options(text string) error {
	bad := &fault{code: "22023", message: "the startup options could not be read", hint: "options='-c jali.agreement=agr-id -c jali.purpose=DUO:0000006 -c jali.error=50'"}
	words := optionWords(text)
	for i := 0; i < len(words); i++ {
		w := words[i]
		switch {
		case w == "-c":
			if i++; i == len(words) {
				return bad
			}
			w = words[i]
		case strings.HasPrefix(w, "--"):
			w = w[2:]
		case strings.HasPrefix(w, "-c"):
			w = w[2:]
		default:
			return bad
		}
		key, value, ok := strings.Cut(w, "=")
		if !ok {
			return bad
		}
		if err := s.set.set(strings.ReplaceAll(key, "-", "_"), value); err != nil {
			return err
		}
	}
	return nil
}

func optionWords(text string) []string {
	var out []string
	var b strings.Builder
	in := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && i+1 < len(text):
			i++
			b.WriteByte(text[i])
			in = true
		case strings.IndexByte(" \t\n\r\v\f", c) >= 0:
			if in {
				out = append(out, b.String())
			}
			b.Reset()
			in = false
		default:
			b.WriteByte(c)
			in = true
		}
	}
	if in {
		out = append(out, b.String())
	}
	return out
}

// allowed asks who calls, now, and whether it may speak so fast.
func (s *session) allowed() (identity.Principal, error) {
	who, err := s.who()
	if err != nil {
		return who, err
	}
	if !s.Rates.Allow(who, time.Now()) {
		return who, &fault{code: "53000", message: "too many statements", hint: "wait a second and try again"}
	}
	return who, nil
}
