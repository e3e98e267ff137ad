package rpc

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"buf.build/go/protovalidate"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"jali/gateway"
	"jali/gateway/identity"
	"jali/policy"
	jaliv1 "jali/proto/jali/v1"
)

// seen is a status as a client reads it.
type seen struct {
	Code     codes.Code
	Message  string
	Reason   string
	Decision string
	Hint     string
	Fields   []string
	Reasons  []policy.Reason
}

func read(t *testing.T, s *status.Status) seen {
	t.Helper()
	out := seen{Code: s.Code(), Message: s.Message(), Hint: Hint(s)}
	for _, d := range s.Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			if d.GetDomain() != "jali" {
				t.Errorf("domain %q", d.GetDomain())
			}
			out.Reason, out.Decision = d.GetReason(), d.GetMetadata()["decision"]
		case *errdetails.BadRequest:
			for _, v := range d.GetFieldViolations() {
				out.Fields = append(out.Fields, v.GetField())
			}
		case *errdetails.PreconditionFailure:
			for _, v := range d.GetViolations() {
				out.Reasons = append(out.Reasons, policy.Reason{Code: v.GetType(), Text: v.GetDescription(), Hint: v.GetSubject()})
			}
		case *errdetails.LocalizedMessage:
		default:
			t.Errorf("unexpected detail %T", d)
		}
	}
	return out
}

func TestToStatus(t *testing.T) {
	plain := func(c gateway.Code) *gateway.Refusal {
		return &gateway.Refusal{Code: c, Message: "message", Hint: "hint", Decision: 7}
	}
	like := func(code codes.Code, c gateway.Code) seen {
		return seen{Code: code, Message: "message", Reason: string(c), Decision: "7", Hint: "hint"}
	}
	internal := seen{Code: codes.Internal, Message: internalText, Reason: "INTERNAL"}
	tests := []struct {
		name string
		err  error
		want seen
	}{
		{"text limit", plain(gateway.TextLimit), like(codes.InvalidArgument, gateway.TextLimit)},
		{"not supported", plain(gateway.NotSupported), like(codes.InvalidArgument, gateway.NotSupported)},
		{"unknown name", plain(gateway.UnknownName), like(codes.InvalidArgument, gateway.UnknownName)},
		{"unknown code", plain(gateway.UnknownCode), like(codes.InvalidArgument, gateway.UnknownCode)},
		{"bound missing", plain(gateway.BoundMissing), like(codes.InvalidArgument, gateway.BoundMissing)},
		{"precision", plain(gateway.PrecisionRange), like(codes.InvalidArgument, gateway.PrecisionRange)},
		{"invalid", plain(gateway.Invalid), like(codes.InvalidArgument, gateway.Invalid)},
		{"agreement budget", plain(gateway.BudgetAgreement), like(codes.ResourceExhausted, gateway.BudgetAgreement)},
		{"population budget", plain(gateway.BudgetPopulation), like(codes.ResourceExhausted, gateway.BudgetPopulation)},
		{"rate", plain(gateway.Rate), like(codes.ResourceExhausted, gateway.Rate)},
		{"stale", plain(gateway.QuoteStale), like(codes.FailedPrecondition, gateway.QuoteStale)},
		{"not found", plain(gateway.NotFound), like(codes.NotFound, gateway.NotFound)},
		{"unavailable", plain(gateway.Unavailable), like(codes.Unavailable, gateway.Unavailable)},
		{
			"place in the text",
			&gateway.Refusal{Code: gateway.Syntax, Message: "expected FROM", Hint: "write FROM", Line: 3, Column: 14},
			seen{Code: codes.InvalidArgument, Message: "expected FROM", Reason: "SYNTAX", Hint: "write FROM", Fields: []string{"sql:3:14"}},
		},
		{
			"policy with reasons",
			&gateway.Refusal{Code: gateway.PolicyDenied, Message: "denied", Reasons: []policy.Reason{{Code: "purpose", Text: "text", Hint: "hint"}}, Decision: 9},
			seen{Code: codes.PermissionDenied, Message: "denied", Reason: "POLICY_DENIED", Decision: "9", Reasons: []policy.Reason{{Code: "purpose", Text: "text", Hint: "hint"}}},
		},
		{
			"wrapped",
			fmt.Errorf("answer: %w", plain(gateway.NotFound)),
			like(codes.NotFound, gateway.NotFound),
		},
		// The one constant outcome after a charge: whatever the refusal carries, only the decision's number gets out.
		{
			"no answer",
			&gateway.Refusal{Code: gateway.NoAnswer, Message: "canary", Hint: "canary", Line: 1, Column: 2, Reasons: []policy.Reason{{Code: "canary"}}, Decision: 12},
			seen{Code: codes.Aborted, Message: noAnswerText, Reason: "NO_ANSWER", Decision: "12", Hint: noAnswerHint},
		},
		{"unknown code of a refusal", plain("NEW"), internal},
		{"zero refusal", &gateway.Refusal{}, internal},
		{"anything else", errors.New("canary: row 17"), internal},
		{"a status from elsewhere", status.Error(codes.OK+3, "canary"), internal},
		{
			"nobody", fmt.Errorf("%w: no verified client certificate", identity.ErrNoPrincipal),
			seen{Code: codes.Unauthenticated, Message: "no principal: no verified client certificate", Reason: "UNAUTHENTICATED", Hint: "present a client certificate issued by the custodian, or a token of its identity provider (jali login)"},
		},
		{"draining", errDraining, seen{Code: codes.Unavailable, Message: "the gateway is stopping", Reason: "UNAVAILABLE", Hint: "try again later"}},
		{"cancelled", fmt.Errorf("canary: %w", context.Canceled), seen{Code: codes.Canceled, Message: "the caller went away", Reason: "CANCELED"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, read(t, toStatus(test.err, network))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if s := toStatus(nil, network); s != nil {
		t.Errorf("no error: %v", s)
	}
	if got := toStatus(context.DeadlineExceeded, network).Code(); got != codes.DeadlineExceeded {
		t.Errorf("deadline: %v", got)
	}
	if got := toStatus(errors.New("disk full"), operator); got.Code() != codes.Internal || got.Message() != "disk full" {
		t.Errorf("the operator got %v", got)
	}
}

// NO_ANSWER is the same bytes for every cause.
func TestNoAnswerIsConstant(t *testing.T) {
	var first []byte
	for _, message := range []string{"engine", "slot missed", strings.Repeat("x", 5000), ""} {
		s := toStatus(fmt.Errorf("%s: %w", message, &gateway.Refusal{Code: gateway.NoAnswer, Message: message, Hint: message, Decision: 3}), network)
		got, err := proto.MarshalOptions{Deterministic: true}.Marshal(s.Proto())
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = got
		}
		if diff := cmp.Diff(first, got); diff != "" {
			t.Errorf("%q differs:\n%s", message, diff)
		}
	}
}

// What a caller can put into a refusal's text must neither break its encoding nor outgrow the header space of a gRPC client.
func TestStatusIsBounded(t *testing.T) {
	long := strings.Repeat("ä\xff\x00", 100_000)
	r := &gateway.Refusal{Code: gateway.Syntax, Message: long, Hint: long, Line: 1 << 60, Column: 1 << 60, Decision: 1 << 63}
	for range 50 {
		r.Reasons = append(r.Reasons, policy.Reason{Code: long, Text: long, Hint: long})
	}
	s := toStatus(r, network)
	data, err := proto.Marshal(s.Proto())
	if err != nil {
		t.Fatal(err)
	}
	if n := base64.RawStdEncoding.EncodedLen(len(data)) + 3*len(s.Message()); n > 8<<10 {
		t.Errorf("status takes %d bytes of headers", n)
	}
	if got := read(t, s); got.Reason != "SYNTAX" || len(got.Reasons) != maxReasons || len(got.Fields) != 1 {
		t.Errorf("details were lost: %+v", got)
	}
}

func TestInvalidStatusNamesFieldsNotValues(t *testing.T) {
	const canary = "CANARY-7731"
	err := protovalidate.Validate(&jaliv1.QuoteRequest{
		Agreement: strings.Repeat(canary, 10), Purpose: strings.Repeat(canary, 10), Sql: canary, Error: strings.Repeat(canary, 10),
	})
	var invalid *protovalidate.ValidationError
	if !errors.As(err, &invalid) {
		t.Fatalf("got %v", err)
	}
	s := toStatus(err, network)
	got := read(t, s)
	if got.Code != codes.InvalidArgument || got.Reason != "INVALID" {
		t.Errorf("got %+v", got)
	}
	if diff := cmp.Diff([]string{"agreement", "purpose", "error"}, got.Fields); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
	if strings.Contains(s.String(), canary) {
		t.Errorf("the status shows a value: %v", s)
	}
}

func FuzzClip(f *testing.F) {
	f.Add("", 10)
	f.Add("\xff\xfe", 10)
	f.Add("äöü", 5)
	f.Fuzz(func(t *testing.T, s string, n int) {
		if n < 3 || n > 1<<16 {
			t.Skip()
		}
		got := clip(s, n)
		if !utf8.ValidString(got) || len(got) > n {
			t.Errorf("clip(%q, %d) = %q", s, n, got)
		}
		if utf8.ValidString(s) && len(s) <= n && got != s {
			t.Errorf("clip(%q, %d) = %q", s, n, got)
		}
	})
}
