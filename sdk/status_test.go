package sdk

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"

	"jali/audit"
)

func refused(t *testing.T, code codes.Code, message, reason string, more ...protoadapt.MessageV1) error {
	t.Helper()
	details := more
	if reason != "" {
		details = append(details, &errdetails.ErrorInfo{Reason: reason, Domain: "jali", Metadata: map[string]string{"decision": "7"}})
	}
	s, err := status.New(code, message).WithDetails(details...)
	if err != nil {
		t.Fatal(err)
	}
	return s.Err()
}

func TestFromStatusTypes(t *testing.T) {
	hint := &errdetails.LocalizedMessage{Locale: "en", Message: "do this"}
	place := &errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: "sql:2:14"}}}
	reasons := &errdetails.PreconditionFailure{Violations: []*errdetails.PreconditionFailure_Violation{{Type: "purpose", Description: "not in the agreement", Subject: "use another"}}}
	why := []Reason{{"purpose", "not in the agreement", "use another"}}
	for _, c := range []struct {
		name string
		err  error
		want error
	}{
		{"syntax", refused(t, codes.InvalidArgument, "unexpected FORM", "SYNTAX", hint, place), &QueryError{Code: "SYNTAX", Message: "unexpected FORM", Hint: "do this", Line: 2, Column: 14, Decision: 7}},
		{"name", refused(t, codes.InvalidArgument, "no column", "UNKNOWN_NAME", hint), &QueryError{Code: "UNKNOWN_NAME", Message: "no column", Hint: "do this", Decision: 7}},
		{"not found", refused(t, codes.NotFound, "no agreement", "NOT_FOUND"), &QueryError{Code: "NOT_FOUND", Message: "no agreement", Decision: 7}},
		{"policy", refused(t, codes.PermissionDenied, "no", "POLICY_DENIED", hint, reasons), &PolicyDenied{Message: "no", Hint: "do this", Reasons: why, Decision: 7}},
		{"agreement budget", refused(t, codes.ResourceExhausted, "out", "BUDGET_AGREEMENT"), &BudgetExhausted{Code: "BUDGET_AGREEMENT", Message: "out", Decision: 7}},
		{"population budget", refused(t, codes.ResourceExhausted, "out", "BUDGET_POPULATION"), &BudgetExhausted{Code: "BUDGET_POPULATION", Message: "out", Decision: 7}},
		{"foreign domain", refused(t, codes.InvalidArgument, "bad", "", &errdetails.ErrorInfo{Reason: "BUDGET_AGREEMENT", Domain: "elsewhere"}), &QueryError{Code: "INVALIDARGUMENT", Message: "bad"}},
		{"bare denial", refused(t, codes.PermissionDenied, "no", ""), &PolicyDenied{Message: "no"}},
		{"bad place", refused(t, codes.InvalidArgument, "bad", "SYNTAX", &errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: "sql:0:-1"}, {Field: "sql:x"}, {Field: "error"}}}), &QueryError{Code: "SYNTAX", Message: "bad", Decision: 7}},
	} {
		if diff := cmp.Diff(c.want, FromStatus(c.err)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestFromStatusSentinels(t *testing.T) {
	for _, c := range []struct {
		name   string
		err    error
		is     []error
		isNot  error
		retry  bool
		nohint bool
	}{
		{"unavailable", refused(t, codes.Unavailable, "stopping", "UNAVAILABLE"), []error{ErrUnavailable}, ErrNoAnswer, true, true},
		{"no connection", status.Error(codes.Unavailable, `connection error: desc = "transport: Error while dialing: dial tcp 127.0.0.1:1: connect: connection refused"`), []error{ErrUnavailable}, ErrNoAnswer, true, false},
		{"wrong CA", status.Error(codes.Unavailable, `connection error: desc = "transport: authentication handshake failed: tls: failed to verify certificate: x509: certificate signed by unknown authority"`), []error{ErrUnavailable}, ErrNoAnswer, false, false},
		{"client certificate refused", status.Error(codes.Unavailable, `error reading server preface: remote error: tls: bad certificate`), []error{ErrUnavailable}, ErrNoAnswer, false, false},
		{"no answer", refused(t, codes.Aborted, "no answer; the charge stands", "NO_ANSWER"), []error{ErrNoAnswer}, ErrUnavailable, false, true},
		{"stale", refused(t, codes.FailedPrecondition, "expired", "QUOTE_STALE"), []error{ErrStale}, ErrUnavailable, false, true},
		{"rate", refused(t, codes.ResourceExhausted, "slow down", "RATE"), []error{ErrUnavailable}, ErrStale, false, true},
		{"unauthenticated", refused(t, codes.Unauthenticated, "who", "UNAUTHENTICATED"), []error{ErrUnauthenticated}, ErrUnavailable, false, false},
		{"deadline", status.Error(codes.DeadlineExceeded, "late"), []error{ErrUnavailable, context.DeadlineExceeded}, ErrNoAnswer, false, false},
		{"cancelled", status.Error(codes.Canceled, "gone"), []error{ErrUnavailable, context.Canceled}, ErrNoAnswer, false, false},
		{"internal", refused(t, codes.Internal, "internal error", "INTERNAL"), []error{ErrUnavailable}, ErrNoAnswer, false, true},
		{"not a gateway", status.Error(codes.Unimplemented, "unknown service"), []error{ErrUnavailable}, ErrNoAnswer, false, false},
	} {
		got := FromStatus(c.err)
		for _, is := range c.is {
			if !errors.Is(got, is) {
				t.Errorf("%s: %v is not %v", c.name, got, is)
			}
		}
		if errors.Is(got, c.isNot) {
			t.Errorf("%s: %v is %v", c.name, got, c.isNot)
		}
		if retriable(got) != c.retry {
			t.Errorf("%s: retriable = %v", c.name, !c.retry)
		}
		if Hint(got) == "" && !c.nohint {
			t.Errorf("%s: no hint", c.name)
		}
	}
	plain := errors.New("plain")
	if got := FromStatus(plain); got != plain {
		t.Errorf("a plain error became %v", got)
	}
	if FromStatus(nil) != nil {
		t.Error("nil became an error")
	}
	if got := FromStatus(refused(t, codes.Aborted, "secret 12345", "NO_ANSWER")).Error(); got != "charged, but no answer: decision 7" {
		t.Errorf("no answer says %q", got)
	}
}

func TestRenderPointsAtThePlace(t *testing.T) {
	long := "SELECT " + repeat("a, ", 60) + "bad FROM t"
	for _, c := range []struct {
		name, sql    string
		line, column int
		want         string
	}{
		{"second line", "SELECT sex\nFORM t", 2, 1, "   2 | FORM t\n     | ^"},
		{"end of line", "SELECT", 1, 7, "   1 | SELECT\n     |       ^"},
		{"tab counts one", "\tSELEC", 1, 2, "   1 |  SELEC\n     |  ^"},
		{"umlaut counts one", "SELECT 'ä' x", 1, 12, "   1 | SELECT 'ä' x\n     |            ^"},
		{"far beyond the end", "SELECT", 1, 99, "   1 | SELECT\n     |       ^"},
		{"carriage return", "SELECT\r\nx", 1, 1, "   1 | SELECT\n     | ^"},
		{"no such line", "SELECT", 3, 1, ""},
		{"no place", "SELECT", 0, 0, ""},
	} {
		got := (&QueryError{Line: c.line, Column: c.column}).Render(c.sql)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
	got := (&QueryError{Line: 1, Column: 188}).Render(long)
	lines := splitLines(got)
	if len(lines) != 2 || len(lines[0]) > 120 {
		t.Fatalf("long line rendered as %q", got)
	}
	if at := len(lines[1]) - 1; lines[1][at] != '^' || lines[0][at:at+3] != "bad" {
		t.Errorf("caret points elsewhere:\n%s", got)
	}
}

// Keys that are of another log, as after a year's end, are told apart from a receipt that is wrong under the right keys.
func TestHintOfNewKeys(t *testing.T) {
	for _, c := range []struct {
		reason error
		keys   bool
	}{{fmt.Errorf("open checkpoint: %w", audit.ErrCheckpoint), true}, {errors.New("the result is another"), false}} {
		if got := Hint(&ReceiptError{Reason: c.reason}); !strings.HasPrefix(got, "do not use the answer") || strings.Contains(got, "new") != c.keys {
			t.Errorf("%v: hint %q", c.reason, got)
		}
	}
}
