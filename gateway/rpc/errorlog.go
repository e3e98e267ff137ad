package rpc

import (
	"bytes"
	"log"
	"log/slog"
)

// connectionLog passes on what net/http says about connections. A failed handshake keeps its cause, which is about certificates; anything else, a panic with its value above all,
// is reported without its text.
type connectionLog struct{ operator *slog.Logger }

func newErrorLog(operator *slog.Logger) *log.Logger {
	return log.New(connectionLog{operator}, "", 0)
}

func (c connectionLog) Write(p []byte) (int, error) {
	if bytes.HasPrefix(p, []byte("http: TLS handshake error")) {
		c.operator.Warn("TLS handshake failed", "cause", string(bytes.TrimSpace(p)))
	} else {
		c.operator.Warn("connection failed")
	}
	return len(p), nil
}
