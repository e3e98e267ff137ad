package pgwire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"jali/gateway"
	"jali/gateway/identity"
)

// maxMessage bounds a message of a client: a question, or the parameters of one.
const maxMessage = 256 << 10

// session is one connection. Its fields belong to the goroutine that serves it.
type session struct {
	*server
	conn *timed
	wire *pgproto3.Backend
	// who names the caller, asked at each statement: a certificate or token may have ended since the start.
	who func() (identity.Principal, error)

	user, database string
	set            *settings
	id             uint32 // of its cancel key
	status         byte   // 'I' idle, 'T' in what the client takes for a transaction
	encode         encoder
	prepared       prepared
	last           *gateway.Answer // receipt, result, decision and price of the latest answer
	mine           *standing       // what the caller has open, with this session
	unsent         int             // messages answered since the last ones were sent
}

// session serves a connection from its first byte to its last.
func (s *server) session(ctx context.Context, conn net.Conn, at *place) {
	defer at.leave()
	s.Metrics.connections.Inc()
	defer s.Metrics.connections.Dec()
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	defer func() {
		// A statement's panic is caught where it runs; here it is one of the protocol's, and ends this connection only.
		if r := recover(); r != nil {
			s.Operator.Error("connection panicked", "type", fmt.Sprintf("%T", r))
		}
	}()
	if err := conn.SetDeadline(time.Now().Add(s.starts)); err != nil {
		return
	}
	starting, cancel := context.WithTimeout(ctx, s.starts)
	defer cancel()
	// Deadlines of the connection are set anew as it is read. A stranger who sends a byte now and then must not hold a place for as long as it likes.
	late := context.AfterFunc(starting, func() { conn.Close() })
	secure, err := s.secured(starting, conn)
	if err != nil {
		if !errors.Is(err, errClosed) {
			s.Operator.Warn("TLS handshake failed")
		}
		return
	}
	n, err := s.start(starting, secure)
	if err != nil {
		if !errors.Is(err, errClosed) {
			s.Operator.Warn("session not started", "cause", fmt.Sprintf("%T", err))
		}
		return
	}
	defer s.cancels.remove(n.id)
	defer n.end()
	if !late() {
		return
	}
	at.start()
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return
	}
	defer context.AfterFunc(s.draining, func() { _ = conn.SetReadDeadline(time.Now()) })()
	n.serve(ctx)
}

// serve takes messages until the client leaves, the line breaks, or the gateway stops.
func (s *session) serve(ctx context.Context) {
	for {
		message, err := s.wire.Receive()
		var large *pgproto3.ExceededMaxBodyLenErr
		switch {
		case err == nil:
		case s.draining.Err() != nil:
			fatal(s.wire, "57P01", "the gateway is stopping", "connect again")
			return
		case errors.Is(err, os.ErrDeadlineExceeded):
			fatal(s.wire, "57P05", "the session was idle for too long", "connect again")
			return
		case errors.As(err, &large):
			fatal(s.wire, "54000", fmt.Sprintf("a message has at most %d bytes", maxMessage), "shorten the statement")
			return
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
			return
		default:
			fatal(s.wire, "08P01", "the message could not be read", "the program at the other end does not speak the protocol as documented")
			return
		}
		if err := s.take(ctx, message); err != nil {
			return
		}
	}
}

// take answers one message. An error means that the connection is over.
func (s *session) take(ctx context.Context, message pgproto3.FrontendMessage) error {
	switch m := message.(type) {
	case *pgproto3.Terminate:
		return errClosed
	case *pgproto3.Sync:
		return s.sync()
	case *pgproto3.Flush:
		return s.wire.Flush()
	case *pgproto3.Query:
		s.prepared.failed = false
		s.simple(ctx, m.String)
		return s.ready()
	case *pgproto3.Parse, *pgproto3.Bind, *pgproto3.Describe, *pgproto3.Execute, *pgproto3.Close:
		if s.prepared.failed { // until Sync, as the protocol says
			return nil
		}
		if err := s.extended(ctx, m); err != nil {
			return err
		}
		return s.spillAnswers()
	case *pgproto3.CopyData, *pgproto3.CopyDone, *pgproto3.CopyFail:
		return nil // of a COPY that was refused
	}
	s.fail(s.watch(ctx, kindMessage), &fault{code: "0A000", message: "this kind of message is not answered", hint: "ask with a query"}, nil)
	return s.ready()
}

// ready says that the session waits for the next statement.
func (s *session) ready() error {
	s.unsent = 0
	s.wire.Send(&pgproto3.ReadyForQuery{TxStatus: s.status})
	return s.wire.Flush()
}

// mostUnsent bounds the messages whose answers wait for the client's Sync: one that never says it must not fill the gateway's memory.
const mostUnsent = 64

func (s *session) spillAnswers() error {
	if s.unsent++; s.unsent < mostUnsent {
		return nil
	}
	s.unsent = 0
	return s.wire.Flush()
}

// simple answers a string of statements, one after the other, until one fails.
func (s *session) simple(ctx context.Context, text string) {
	statements := split(text)
	if len(statements) == 0 {
		s.wire.Send(&pgproto3.EmptyQueryResponse{})
		return
	}
	for _, st := range statements {
		w := s.watch(ctx, st.kind())
		e := st.change(st.edits())
		r, err := s.run(ctx, e)
		if err != nil {
			s.fail(w, err, e.place)
			return
		}
		if err := s.send(r, nil); err != nil {
			s.fail(w, err, nil)
			return
		}
		w.end(stateOK)
	}
}

// send writes a whole result with its description.
func (s *session) send(r result, formats []int16) error {
	if r.columns != nil {
		s.wire.Send(rowDescription(r.columns, formats))
	}
	sent := 0
	for i, values := range r.rows {
		row, err := s.encode.row(r.columns, formats, values)
		if err != nil {
			return err
		}
		s.wire.Send(row)
		sent += taken(row)
		if err := s.spill(r, i); err != nil {
			return err
		}
	}
	if r.room != nil {
		s.pad(r.room.all, sent+said(r.notices)+len(r.tag))
	}
	s.complete(r)
	return nil
}

// spill empties the buffer from time to time. An answer leaves whole.
func (s *session) spill(r result, i int) error {
	if r.room == nil && i%512 == 511 {
		return s.wire.Flush()
	}
	return nil
}

// complete ends a result: what is to be said of it, and its tag.
func (s *session) complete(r result) {
	for _, n := range r.notices {
		s.wire.Send(notice(n))
	}
	s.wire.Send(&pgproto3.CommandComplete{CommandTag: []byte(r.tag)})
}

// notice is something to be said beside a result.
func notice(text string) *pgproto3.NoticeResponse {
	n := pgproto3.NoticeResponse(*report("00000", text, "", "", 0))
	n.Severity, n.SeverityUnlocalized = "NOTICE", "NOTICE"
	return &n
}

// fail reports an error to the client and its kind to the operator. Nothing of an unexpected error is shown but its type.
func (s *session) fail(w watch, err error, place func(line, column int) int) {
	e := refusal(err, place)
	if e.Code == stateInternal {
		s.Operator.Error("statement failed", "type", fmt.Sprintf("%T", err))
	}
	w.end(e.Code)
	s.wire.Send(e)
}

// parameter tells the client a setting that it follows.
func (s *session) parameter(setting string) {
	if shown, ok := reported[setting]; ok {
		s.wire.Send(&pgproto3.ParameterStatus{Name: shown, Value: s.set.values[setting]})
	}
}
