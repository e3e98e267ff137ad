package rpc

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"buf.build/go/protovalidate"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"

	"jali/gateway"
	"jali/gateway/identity"
	"jali/policy"
)

// domain marks our ErrorInfo.
const domain = "jali"

// Limits keep a status within 8 KiB of headers, base64 included: more than that some gRPC clients do not read.
const (
	maxText    = 400
	maxReasons = 6
	maxReason  = 200
)

// Constant texts: the same bytes whatever happened.
const (
	internalText = "internal error; the operator's log has the cause"
	noAnswerText = "no answer; the charge stands"
	noAnswerHint = "ask the custodian, naming the decision number; asking again is a new charge"

	notReleasedText = "not released; the charge stands"
	notReleasedHint = "ask for larger groups or other ones; asking again is a new charge, and after some refusals a person looks at them"
)

// audience says who reads an error: strangers on the network, or the operator on the socket, who owns the rows and needs the cause.
type audience int

const (
	network audience = iota
	operator
)

// errDraining ends streams when the gateway stops.
var errDraining = errors.New("gateway is stopping")

// codeOf maps a refusal's code. A code it does not know is Internal: an error nobody has thought about is not shown.
func codeOf(c gateway.Code) codes.Code {
	switch c {
	case gateway.TextLimit, gateway.Syntax, gateway.NotSupported, gateway.UnknownName, gateway.UnknownCode, gateway.BoundMissing,
		gateway.PrecisionRange, gateway.Invalid, gateway.UploadMalformed, gateway.UploadTruncated, gateway.UploadOversized, gateway.UploadOffset:
		return codes.InvalidArgument
	case gateway.PolicyDenied:
		return codes.PermissionDenied
	case gateway.BudgetAgreement, gateway.BudgetPopulation, gateway.Rate:
		return codes.ResourceExhausted
	case gateway.QuoteStale, gateway.NonceUnknown, gateway.NonceExpired, gateway.NonceUsed, gateway.NonceForeign, gateway.KeyUnknown:
		return codes.FailedPrecondition
	case gateway.NotFound:
		return codes.NotFound
	case gateway.NoAnswer, gateway.NotReleased:
		return codes.Aborted
	case gateway.Unavailable, gateway.Pending:
		return codes.Unavailable
	}
	return codes.Internal
}

// toStatus is the one place where errors become wire errors. Details (docs/api.md, "Errors"): ErrorInfo with domain "jali", the refusal's code and the decision's
// number; LocalizedMessage with the hint; BadRequest with the field, "sql:LINE:COLUMN" for a place in the text; PreconditionFailure with
// the reasons (type: code, description: text, subject: hint).
func toStatus(err error, to audience) *status.Status {
	var refusal *gateway.Refusal
	var invalid *protovalidate.ValidationError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refusal):
		return refusalStatus(refusal)
	case errors.As(err, &invalid):
		return invalidStatus(invalid)
	case errors.Is(err, identity.ErrNoPrincipal):
		return withDetails(codes.Unauthenticated, err.Error(),
			info("UNAUTHENTICATED", 0), hinted("present a client certificate issued by the custodian, or a token of its identity provider (jali login)"))
	case errors.Is(err, identity.ErrProvider):
		return withDetails(codes.Unavailable, "tokens cannot be checked now: the identity provider does not answer",
			info(string(gateway.Unavailable), 0), hinted("try again later, or present a client certificate"))
	case errors.Is(err, errDraining):
		return withDetails(codes.Unavailable, "the gateway is stopping", info(string(gateway.Unavailable), 0), hinted("try again later"))
	case errors.Is(err, context.DeadlineExceeded):
		return withDetails(codes.DeadlineExceeded, "no answer within the deadline", info("DEADLINE", 0),
			hinted("ask again with the same request id: an answer that was paid for is stored and free"))
	case errors.Is(err, context.Canceled):
		return withDetails(codes.Canceled, "the caller went away", info("CANCELED", 0))
	case to == operator:
		return withDetails(codes.Internal, err.Error(), info("INTERNAL", 0))
	}
	return withDetails(codes.Internal, internalText, info("INTERNAL", 0))
}

// Hint is what a status of ours tells to do next, or "".
func Hint(s *status.Status) string {
	for _, detail := range s.Details() {
		if m, ok := detail.(*errdetails.LocalizedMessage); ok {
			return m.GetMessage()
		}
	}
	return ""
}

func refusalStatus(r *gateway.Refusal) *status.Status {
	code := codeOf(r.Code)
	switch code {
	case codes.Internal:
		return withDetails(codes.Internal, internalText, info("INTERNAL", 0))
	case codes.Aborted:
		// Whatever the refusal says, only the number of the decision leaves.
		if r.Code == gateway.NotReleased {
			return withDetails(codes.Aborted, notReleasedText, info(string(gateway.NotReleased), r.Decision), hinted(notReleasedHint))
		}
		return withDetails(codes.Aborted, noAnswerText, info(string(gateway.NoAnswer), r.Decision), hinted(noAnswerHint))
	}
	details := []protoadapt.MessageV1{info(string(r.Code), r.Decision)}
	if r.Hint != "" {
		details = append(details, hinted(r.Hint))
	}
	if r.Line > 0 && r.Column > 0 {
		details = append(details, &errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{
			Field: fmt.Sprintf("sql:%d:%d", r.Line, r.Column), Description: clip(r.Message, maxReason), Reason: string(r.Code),
		}}})
	}
	if len(r.Reasons) > 0 {
		details = append(details, preconditions(r.Reasons))
	}
	return withDetails(code, r.Message, details...)
}

// invalidStatus names the fields that break the contract's rules, never their values.
func invalidStatus(invalid *protovalidate.ValidationError) *status.Status {
	request := &errdetails.BadRequest{}
	for _, v := range invalid.Violations[:min(len(invalid.Violations), maxReasons)] {
		request.FieldViolations = append(request.FieldViolations, &errdetails.BadRequest_FieldViolation{
			Field: clip(fieldName(v), maxReason), Description: clip(v.Proto.GetMessage(), maxReason), Reason: string(gateway.Invalid),
		})
	}
	text := "the request breaks a rule of the contract"
	if v := request.GetFieldViolations(); len(v) > 0 {
		text = v[0].GetField() + ": " + v[0].GetDescription()
	}
	return withDetails(codes.InvalidArgument, text, info(string(gateway.Invalid), 0), hinted("see docs/api.md for the limits of each field"), request)
}

// fieldName is the declared name of the field: the path would show the caller's map keys.
func fieldName(v *protovalidate.Violation) string {
	if d := v.FieldDescriptor; d != nil {
		return string(d.Name())
	}
	return "request"
}

func preconditions(reasons []policy.Reason) *errdetails.PreconditionFailure {
	failure := &errdetails.PreconditionFailure{}
	for _, r := range reasons[:min(len(reasons), maxReasons)] {
		failure.Violations = append(failure.Violations, &errdetails.PreconditionFailure_Violation{
			Type: clip(r.Code, maxReason), Description: clip(r.Text, maxReason), Subject: clip(r.Hint, maxReason),
		})
	}
	return failure
}

func info(reason string, decision uint64) *errdetails.ErrorInfo {
	i := &errdetails.ErrorInfo{Reason: reason, Domain: domain}
	if decision > 0 {
		i.Metadata = map[string]string{"decision": strconv.FormatUint(decision, 10)}
	}
	return i
}

func hinted(hint string) *errdetails.LocalizedMessage {
	return &errdetails.LocalizedMessage{Locale: "en", Message: clip(hint, maxText)}
}

// withDetails attaches details. Their texts are valid UTF-8 by clip, so encoding cannot fail; if it does, the bare status is sent.
func withDetails(code codes.Code, text string, details ...protoadapt.MessageV1) *status.Status {
	bare := status.New(code, clip(text, maxText))
	full, err := bare.WithDetails(details...)
	if err != nil {
		return bare
	}
	return full
}

// clip makes a text valid UTF-8 of at most n bytes.
func clip(s string, n int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= n {
		return s
	}
	const more = "..."
	cut := n - len(more)
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + more
}
