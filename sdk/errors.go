package sdk

import (
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"

	"jali/audit"
)

var (
	// ErrUnavailable: the gateway could not be reached or cannot answer now. Asking again later is safe.
	ErrUnavailable = errors.New("gateway unavailable")
	// ErrNoAnswer: the question was charged and has no answer. The charge stands; the gateway says no more, whatever the cause.
	ErrNoAnswer = errors.New("charged, but no answer")
	// ErrReceipt: the receipt did not verify, so the answer is withheld.
	ErrReceipt = errors.New("receipt does not verify")
	// ErrStale: the quote expired, or policy, agreement or data changed since. Nothing was charged.
	ErrStale = errors.New("quote is stale")
	// ErrUnauthenticated: the gateway does not accept the client certificate.
	ErrUnauthenticated = errors.New("not authenticated")
)

// Reason is one failed check of policy or budget.
type Reason struct {
	Code string `json:"code"`
	Text string `json:"text"`
	Hint string `json:"hint,omitempty"`
}

// QueryError says that the question cannot be accepted as written. Nothing was charged.
type QueryError struct {
	Code    string // e.g. SYNTAX, UNKNOWN_NAME, NOT_SUPPORTED, PRECISION_RANGE, NOT_FOUND, INVALID
	Message string
	Hint    string
	// Line and Column (characters, from 1) place it in the SQL text; 0: no place.
	Line, Column int
	// Decision is the log entry of the refusal; 0: none.
	Decision uint64
}

func (e *QueryError) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Message)
	}
	return e.Message
}

// caretWidth is how much of a long line Render shows around the place.
const caretWidth = 100

// Render shows the line of the SQL text with a caret under the place; empty when the error has no place in it.
func (e *QueryError) Render(sql string) string {
	lines := strings.Split(sql, "\n")
	if e.Line < 1 || e.Line > len(lines) || e.Column < 1 {
		return ""
	}
	line := []rune(strings.ReplaceAll(strings.TrimSuffix(lines[e.Line-1], "\r"), "\t", " "))
	at := min(e.Column-1, len(line))
	from := max(0, at-caretWidth/2)
	to := min(len(line), from+caretWidth)
	prefix := fmt.Sprintf("%4d | ", e.Line)
	lead, tail := "", ""
	if from > 0 {
		lead = "..."
	}
	if to < len(line) {
		tail = "..."
	}
	return prefix + lead + string(line[from:to]) + tail + "\n" +
		strings.Repeat(" ", len(prefix)-2) + "| " + strings.Repeat(" ", len(lead)+at-from) + "^"
}

// PolicyDenied says that the rules do not allow the question. Nothing was charged.
type PolicyDenied struct {
	Message  string
	Hint     string
	Reasons  []Reason
	Decision uint64
}

func (e *PolicyDenied) Error() string {
	return "denied by policy: " + withReasons(e.Message, e.Reasons)
}

// BudgetExhausted says that a privacy budget cannot pay for the question. Nothing was charged.
type BudgetExhausted struct {
	Code     string // BUDGET_AGREEMENT or BUDGET_POPULATION
	Message  string
	Hint     string
	Reasons  []Reason
	Decision uint64
}

func (e *BudgetExhausted) Error() string {
	return "budget exhausted: " + withReasons(e.Message, e.Reasons)
}

// ReceiptError says why a receipt did not verify. It keeps what the gateway sent as evidence; neither field may be used as
// an answer.
type ReceiptError struct {
	Reason            error
	UnverifiedReceipt []byte
	UnverifiedResult  []byte
}

func (e *ReceiptError) Error() string { return ErrReceipt.Error() + ": " + e.Reason.Error() }

// Unwrap matches ErrReceipt and the reason.
func (e *ReceiptError) Unwrap() []error { return []error{ErrReceipt, e.Reason} }

// GatewayError is every other failure. It matches one of the sentinel errors of this package, or a context's, with errors.Is.
type GatewayError struct {
	Code    string // the gateway's, or the gRPC code's name
	Message string
	Hint    string
	Status  codes.Code
	// Decision is the log entry of the question, where there is one (ErrNoAnswer).
	Decision uint64
	kind     error // a sentinel of this package
	cause    error // a context's error beside it, or nil
}

func (e *GatewayError) Error() string {
	switch {
	case e.kind == nil || e.kind == ErrConfig:
		return e.Message
	case e.Message == "":
		return e.kind.Error()
	}
	return e.kind.Error() + ": " + e.Message
}

// Unwrap is what it matches: a sentinel, and a context's error where there is one.
func (e *GatewayError) Unwrap() []error {
	var matches []error
	for _, err := range []error{e.kind, e.cause} {
		if err != nil {
			matches = append(matches, err)
		}
	}
	return matches
}

// Hint is what to do next about an error, as the gateway or this package suggests; empty when there is no advice.
func Hint(err error) string {
	var (
		query   *QueryError
		policy  *PolicyDenied
		budget  *BudgetExhausted
		receipt *ReceiptError
		gateway *GatewayError
	)
	switch {
	case errors.As(err, &query):
		return query.Hint
	case errors.As(err, &policy):
		return policy.Hint
	case errors.As(err, &budget):
		return budget.Hint
	case errors.As(err, &receipt):
		if errors.Is(receipt.Reason, audit.ErrCheckpoint) {
			return "do not use the answer; keep the receipt and tell the custodian and the regulator. Where the log has begun anew, as every year, its keys are new: get its vkeys from them, in person"
		}
		return "do not use the answer; keep the receipt and tell the custodian and the regulator"
	case errors.As(err, &gateway):
		return gateway.Hint
	}
	return ""
}

func withReasons(message string, reasons []Reason) string {
	if message != "" || len(reasons) == 0 {
		return message
	}
	texts := make([]string, len(reasons))
	for i, r := range reasons {
		texts[i] = r.Text
	}
	return strings.Join(texts, "; ")
}
