package sdk

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// errorDomain marks error details as the gateway's own.
const errorDomain = "jali"

// Codes this package tells apart besides those that become a type of their own.
const (
	codeTLS  = "TLS"
	codeRate = "RATE"
)

// FromStatus turns a gRPC status error into this package's errors. Everything else comes back as it is.
//
// What a code means is in ErrorInfo.reason (domain "jali"; docs/api.md, "Errors"); without one, as from a proxy, the gRPC
// code decides.
func FromStatus(err error) error {
	s, ok := status.FromError(err)
	if err == nil || !ok {
		return err
	}
	d := details(s)
	switch d.code {
	case "TEXT_LIMIT", "SYNTAX", "NOT_SUPPORTED", "UNKNOWN_NAME", "UNKNOWN_CODE", "BOUND_MISSING", "PRECISION_RANGE", "NOT_FOUND", "INVALID",
		"UPLOAD_MALFORMED", "UPLOAD_TRUNCATED", "UPLOAD_OVERSIZED", "UPLOAD_OFFSET":
		return d.query()
	case "POLICY_DENIED":
		return &PolicyDenied{Message: d.message, Hint: d.hint, Reasons: d.reasons, Decision: d.decision}
	case "BUDGET_AGREEMENT", "BUDGET_POPULATION":
		return &BudgetExhausted{Code: d.code, Message: d.message, Hint: d.hint, Reasons: d.reasons, Decision: d.decision}
	case "QUOTE_STALE", "NONCE_UNKNOWN", "NONCE_EXPIRED", "NONCE_USED", "NONCE_FOREIGN", "KEY_UNKNOWN":
		return d.gateway(ErrStale)
	case "NO_ANSWER", "NOT_RELEASED": // of mode sdc: charged too, and no more is said
		d.message = "" // constant, and the sentinel says it
		if d.decision > 0 {
			d.message = fmt.Sprintf("decision %d", d.decision)
		}
		return d.gateway(ErrNoAnswer)
	case "UNAVAILABLE", codeRate:
		return d.gateway(ErrUnavailable)
	}
	if d.code == "" {
		d.code = strings.ToUpper(s.Code().String())
	}
	switch s.Code() {
	case codes.InvalidArgument, codes.NotFound, codes.OutOfRange:
		return d.query()
	case codes.PermissionDenied:
		return &PolicyDenied{Message: d.message, Hint: d.hint, Reasons: d.reasons, Decision: d.decision}
	case codes.Unauthenticated:
		if d.hint == "" {
			d.hint = "check the client certificate (--cert, --key) with the custodian"
		}
		return d.gateway(ErrUnauthenticated)
	case codes.DeadlineExceeded:
		d.message, d.hint = "no answer in time", "ask again with more time: the same request id is answered once and never charged twice"
		return &GatewayError{Code: d.code, Message: d.message, Hint: d.hint, Status: d.status, kind: ErrUnavailable, cause: context.DeadlineExceeded}
	case codes.Canceled:
		d.message, d.hint = "the call was cancelled", "a question that had arrived is answered and stored all the same: asking it again is free"
		return &GatewayError{Code: d.code, Message: d.message, Hint: d.hint, Status: d.status, kind: ErrUnavailable, cause: context.Canceled}
	case codes.Unimplemented:
		d.hint = "check the endpoint: what answers there is not a Jali gateway, or an older one"
		return d.gateway(ErrUnavailable)
	case codes.Unavailable:
		d.connection()
		return d.gateway(ErrUnavailable)
	}
	return d.gateway(ErrUnavailable)
}

// detail is what the error details of a status say.
type detail struct {
	status       codes.Code
	code         string
	message      string
	hint         string
	line, column int
	reasons      []Reason
	decision     uint64
}

func details(s *status.Status) detail {
	d := detail{status: s.Code(), message: s.Message()}
	for _, message := range s.Details() {
		switch m := message.(type) {
		case *errdetails.ErrorInfo:
			if m.GetDomain() == errorDomain {
				d.code = m.GetReason()
				d.decision, _ = strconv.ParseUint(m.GetMetadata()["decision"], 10, 64) // absent: no entry
			}
		case *errdetails.BadRequest:
			for _, v := range m.GetFieldViolations() {
				if line, column, ok := position(v.GetField()); ok {
					d.line, d.column = line, column
				}
			}
		case *errdetails.LocalizedMessage:
			d.hint = m.GetMessage()
		case *errdetails.PreconditionFailure:
			for _, v := range m.GetViolations() {
				// docs/api.md: type is the reason's code, description its text, subject its hint.
				d.reasons = append(d.reasons, Reason{Code: v.GetType(), Text: v.GetDescription(), Hint: v.GetSubject()})
			}
		}
	}
	return d
}

// position reads "sql:LINE:COL".
func position(field string) (line, column int, ok bool) {
	rest, found := strings.CutPrefix(field, "sql:")
	if !found {
		return 0, 0, false
	}
	l, c, _ := strings.Cut(rest, ":")
	line, err1 := strconv.Atoi(l)
	column, err2 := strconv.Atoi(c)
	return line, column, err1 == nil && err2 == nil && line > 0 && column > 0
}

func (d detail) query() error {
	return &QueryError{Code: d.code, Message: d.message, Hint: d.hint, Line: d.line, Column: d.column, Decision: d.decision}
}

func (d detail) gateway(kind error) error {
	return &GatewayError{Code: d.code, Message: d.message, Hint: d.hint, Status: d.status, Decision: d.decision, kind: kind}
}

// connection explains why a connection could not be made.
func (d *detail) connection() {
	switch {
	case strings.Contains(d.message, "authentication handshake failed"), strings.Contains(d.message, "x509:"):
		d.code = codeTLS
		d.hint = "the gateway's certificate is not accepted here: check --endpoint and --ca"
	case strings.Contains(d.message, "remote error: tls:"):
		d.code = codeTLS
		d.hint = "the gateway does not accept the client certificate: check --cert and --key, or ask the custodian for a new one"
	case strings.Contains(d.message, "broken pipe"), strings.Contains(d.message, "connection reset"), strings.Contains(d.message, "EOF"):
		// In TLS 1.3 the client may write before it hears that its certificate is refused.
		d.hint = "the gateway closed the connection: it is stopping, or it does not accept the client certificate (--cert, --key)"
	case d.hint == "":
		d.hint = "check the endpoint and that the gateway runs; asking again later is safe"
	}
	if i := strings.Index(d.message, "desc = \""); i >= 0 { // grpc wraps the transport's error as text
		d.message = strings.TrimSuffix(d.message[i+len("desc = \""):], "\"")
	}
	d.message = fmt.Sprintf("cannot talk to it: %s", strings.TrimPrefix(d.message, "connection error: "))
}
