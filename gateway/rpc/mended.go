package rpc

import (
	"bytes"
	"encoding/json"
	"net/http"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"jali/gateway"
)

// mended corrects one habit of the transcoder: a request it cannot read (malformed JSON, a misspelt field, an unknown parameter, a body that breaks off) it
// reports as a server's failure, "unknown" or "unavailable" with status 5xx. Such a request is the caller's mistake. Everything else passes through untouched.
type mended struct {
	http.ResponseWriter
	held   *bytes.Buffer // the body of a failure, until finish
	status int
}

func (m *mended) WriteHeader(code int) {
	if code >= http.StatusInternalServerError {
		m.held, m.status = new(bytes.Buffer), code
		return
	}
	m.ResponseWriter.WriteHeader(code)
}

func (m *mended) Write(p []byte) (int, error) {
	if m.held != nil {
		return m.held.Write(p)
	}
	return m.ResponseWriter.Write(p)
}

func (m *mended) Flush() {
	if f, ok := m.ResponseWriter.(http.Flusher); ok && m.held == nil {
		f.Flush()
	}
}

// Unwrap lets http.ResponseController reach the connection.
func (m *mended) Unwrap() http.ResponseWriter { return m.ResponseWriter }

// finish sends a failure that was held back: as the body's fault if it had one, as the caller's mistake if the transcoder could not read it, else as it came.
func (m *mended) finish(d dialect, fault *status.Status) {
	if m.held == nil {
		return
	}
	if fault == nil {
		if text, unread := unreadable(m.held.Bytes()); unread {
			fault = withDetails(codes.InvalidArgument, "the request cannot be read: "+text, info(string(gateway.Invalid), 0),
				hinted("see docs/api.md for the fields of each request"))
		}
	}
	if fault == nil {
		m.ResponseWriter.WriteHeader(m.status)
		_, _ = m.ResponseWriter.Write(m.held.Bytes()) // the caller may be gone
		return
	}
	m.Header().Del("Content-Length")
	m.Header().Del("Content-Encoding")
	refuse(m.ResponseWriter, d, fault)
}

// unreadable reports whether an error body (REST or Connect) has the code "unknown". No handler of ours sends it: toStatus has no case for it.
func unreadable(body []byte) (string, bool) {
	var failure struct {
		Code    any    `json:"code"`
		Message string `json:"message"`
	}
	if json.Unmarshal(body, &failure) != nil {
		return "", false
	}
	return failure.Message, failure.Code == float64(codes.Unknown) || failure.Code == "unknown"
}
