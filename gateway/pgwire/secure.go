package pgwire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// alpn is what a client names that begins with TLS at once (libpq 17, sslnegotiation=direct).
const alpn = "postgresql"

// startTime bounds everything before a session stands, however it is dealt out, writeTime one write to a slow client.
const (
	startTime = 15 * time.Second
	writeTime = 30 * time.Second
)

// maxWrite is how much is written under one limit of time: an answer is written whole, and may be large.
const maxWrite = 512 << 10

// errClosed: the connection is over, and all has been said.
var errClosed = errors.New("connection closed")

// secured brings TLS up on a fresh connection. What comes before it is answered with fixed bytes: a request for TLS, a request to cancel, or a refusal.
func (s *server) secured(ctx context.Context, conn net.Conn) (*tls.Conn, error) {
	plain := &exact{Conn: conn}
	first := make([]byte, 1)
	if _, err := io.ReadFull(plain, first); err != nil {
		return nil, errClosed
	}
	plain.unread = first
	if first[0] == 0x16 { // a TLS handshake
		secure := tls.Server(plain, s.tls)
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil, fmt.Errorf("TLS handshake: %w", err)
		}
		if secure.ConnectionState().NegotiatedProtocol != alpn {
			return nil, errClosed
		}
		return secure, nil
	}
	for range 3 { // GSSENCRequest, SSLRequest, start
		message, err := readStart(plain)
		if err != nil {
			return nil, errClosed
		}
		switch m := message.(type) {
		case *pgproto3.CancelRequest:
			s.cancels.cancel(m.ProcessID, m.SecretKey)
			return nil, errClosed
		case *pgproto3.GSSEncRequest:
			if _, err := conn.Write([]byte{'N'}); err != nil {
				return nil, errClosed
			}
		case *pgproto3.SSLRequest:
			if _, err := conn.Write([]byte{'S'}); err != nil {
				return nil, errClosed
			}
			secure := tls.Server(plain, s.tls)
			if err := secure.HandshakeContext(ctx); err != nil {
				return nil, fmt.Errorf("TLS handshake: %w", err)
			}
			return secure, nil
		default:
			fatal(pgproto3.NewBackend(conn, conn), "28000", "the gateway speaks TLS only", "connect with sslmode=verify-full")
			return nil, errClosed
		}
	}
	return nil, errClosed
}

// readStart reads one message of those without a type, and not a byte more: what a stranger sends before TLS must not be taken for something said
// within it (CVE-2021-23214).
func readStart(r io.Reader) (pgproto3.FrontendMessage, error) {
	message, err := pgproto3.NewBackend(onlyRead{r}, io.Discard).ReceiveStartupMessage()
	if err != nil {
		return nil, fmt.Errorf("read start: %w", err)
	}
	return message, nil
}

// onlyRead gives the codec, whose buffer reads ahead, no more than the message it is at: four bytes of length, then the rest.
type onlyRead struct{ r io.Reader }

func (o onlyRead) Read(p []byte) (int, error) { return o.r.Read(p[:1]) }

// exact gives back bytes that were looked at.
type exact struct {
	net.Conn
	unread []byte
}

func (e *exact) Read(p []byte) (int, error) {
	if len(e.unread) > 0 {
		n := copy(p, e.unread)
		e.unread = e.unread[n:]
		return n, nil
	}
	return e.Conn.Read(p)
}

// timed bounds each write of maxWrite bytes, and each read by what the session says; stop ends reading.
type timed struct {
	net.Conn
	read time.Duration
	stop context.Context
}

func (t *timed) Read(p []byte) (int, error) {
	if err := t.SetReadDeadline(time.Now().Add(t.read)); err != nil {
		return 0, err
	}
	// Whoever stops us moves the deadline after the context has ended: asked in this order, one of the two is seen.
	if err := t.stop.Err(); err != nil {
		return 0, err
	}
	return t.Conn.Read(p)
}

func (t *timed) Write(p []byte) (int, error) {
	for written := 0; ; {
		if err := t.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
			return written, err
		}
		part := p[written:min(len(p), written+maxWrite)]
		n, err := t.Conn.Write(part)
		written += n
		if err != nil || written == len(p) {
			return written, err
		}
	}
}
