package pgwire

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgproto3"

	"jali/gateway"
	"jali/gateway/identity"
	"jali/gateway/pgwire/syscat"
	"jali/policy"
)

// fault is an error of this front's own: it quotes nothing but the caller's own text.
type fault struct {
	code, message, hint string
	at                  int // character of the statement, from 1; 0: no place
}

func (f *fault) Error() string { return f.code + ": " + f.message }

// Constant texts: the same bytes whatever happened.
const (
	internalText = "internal error; the operator's log has the cause"
	noAnswerText = "no answer; the charge stands"
	noAnswerHint = "ask the custodian, naming the decision number; asking again is a new charge"

	notReleasedText = "not released; the charge stands"
	notReleasedHint = "ask for larger groups or other ones; asking again is a new charge, and after some refusals a person looks at them"
)

// Limits of what an error says.
const (
	maxText    = 400
	maxReasons = 6
)

// SQLSTATEs of outcomes that PostgreSQL does not know. Classes from I on are for implementations.
const (
	stateNoAnswer    = "JA001"
	stateNotReleased = "JA002"
	statePending     = "JA003"
	stateInternal    = "XX000"
)

// stateOf maps a refusal's code. A code it does not know is internal: an error nobody has thought about is not shown.
func stateOf(r *gateway.Refusal) string {
	switch r.Code {
	case gateway.Syntax:
		return "42601"
	case gateway.TextLimit:
		return "54000"
	case gateway.NotSupported, gateway.BoundMissing:
		return "0A000"
	case gateway.UnknownName:
		if strings.Contains(r.Message, "table") && !strings.Contains(r.Message, "column") {
			return "42P01"
		}
		return "42703"
	case gateway.UnknownCode, gateway.Invalid:
		return "22023"
	case gateway.PrecisionRange:
		return "22003"
	case gateway.PolicyDenied:
		return "42501"
	case gateway.BudgetAgreement, gateway.BudgetPopulation:
		return "53400"
	case gateway.Rate:
		return "53000"
	case gateway.QuoteStale:
		return "55000"
	case gateway.NotFound:
		return "42704"
	case gateway.Unavailable:
		return "58000"
	case gateway.Pending:
		return statePending
	case gateway.NoAnswer:
		return stateNoAnswer
	case gateway.NotReleased:
		return stateNotReleased
	}
	return stateInternal
}

// refusal is the one place where errors become wire errors (docs/clients.md, "Errors"). place turns a line and column of the text that was planned into a
// character of what the client sent; nil: no place is known.
func refusal(err error, place func(line, column int) int) *pgproto3.ErrorResponse {
	var r *gateway.Refusal
	var f *fault
	var s *syscat.Error
	switch {
	case errors.As(err, &r):
		return refused(r, place)
	case errors.Is(err, identity.ErrProvider):
		return report("58000", identity.ErrProvider.Error(), "", "try again in a minute, or connect with a client certificate", 0)
	case errors.As(err, &f):
		return report(f.code, f.message, "", f.hint, f.at)
	case errors.As(err, &s):
		return report(s.Code, s.Message, "", s.Hint, 0)
	case errors.Is(err, identity.ErrNoPrincipal):
		return report("28000", err.Error(), "", "present a client certificate issued by the custodian: sslcert and sslkey", 0)
	case errors.Is(err, context.DeadlineExceeded):
		return report("57014", "the statement took too long", "", "ask again: an answer that was paid for is stored and free", 0)
	case errors.Is(err, context.Canceled):
		return report("57014", "canceled", "", "if the question was already charged, its answer is stored: ask the same again for free", 0)
	}
	return report(stateInternal, internalText, "", "", 0)
}

func refused(r *gateway.Refusal, place func(line, column int) int) *pgproto3.ErrorResponse {
	state := stateOf(r)
	switch state {
	case stateInternal:
		return report(state, internalText, "", "", 0)
	case stateNoAnswer: // whatever the refusal says, only the number of the decision leaves
		return report(state, noAnswerText, decision(r.Decision, nil), noAnswerHint, 0)
	case stateNotReleased:
		return report(state, notReleasedText, decision(r.Decision, nil), notReleasedHint, 0)
	}
	at := 0
	if r.Line > 0 && r.Column > 0 && place != nil {
		at = place(r.Line, r.Column)
	}
	return report(state, r.Message, decision(r.Decision, r.Reasons), r.Hint, at)
}

// decision is the DETAIL of a refusal: the number under which it is on record, then policy's reasons.
func decision(n uint64, reasons []policy.Reason) string {
	var parts []string
	if n > 0 {
		parts = append(parts, fmt.Sprintf("decision %d", n))
	}
	for _, r := range reasons[:min(len(reasons), maxReasons)] {
		text := r.Code + ": " + r.Text
		if r.Hint != "" {
			text += " (" + r.Hint + ")"
		}
		parts = append(parts, clip(text))
	}
	return strings.Join(parts, "\n")
}

func report(state, message, detail, hint string, at int) *pgproto3.ErrorResponse {
	return &pgproto3.ErrorResponse{
		Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: state, Message: clip(message), Detail: strings.ReplaceAll(detail, "\x00", ""), Hint: clip(hint),
		Position: int32(at),
	}
}

// fatal ends a connection that did not become a session. A client that is gone hears nothing.
func fatal(wire *pgproto3.Backend, state, message, hint string) {
	e := report(state, message, "", hint, 0)
	e.Severity, e.SeverityUnlocalized = "FATAL", "FATAL"
	wire.Send(e)
	_ = wire.Flush()
}

// clip makes a text valid UTF-8 without zero bytes, of at most maxText bytes.
func clip(s string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
	if len(s) <= maxText {
		return s
	}
	const more = "..."
	cut := maxText - len(more)
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + more
}
