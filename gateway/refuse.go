package gateway

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"jali/audit"
	"jali/audit/store"
	"jali/gateway/engine"
)

// refuse records a refusal and returns it. Nothing was charged. The caller hears it only after its REFUSED entry is durable;
// when that entry cannot be written there is no answer of any kind but "unavailable".
func (g *Gateway) refuse(ctx context.Context, a *ask, r *Refusal) error {
	fields := audit.Object{"dec": "deny", "why": whyOf(r.Code)}
	if a.agreement != nil {
		fields["ag"] = a.agreement.ID
	}
	if a.data != nil {
		fields["ds"] = a.data.catalog.ID
	}
	fields["pol"] = g.policyDigest()
	if code := headerCode(a.req.Purpose); code != "" {
		fields["pu"] = code
	}
	reason, err := json.Marshal(map[string]any{"code": r.Code, "message": r.Message, "reasons": r.Reasons, "line": r.Line, "column": r.Column})
	if err != nil {
		return unavailable()
	}
	subject := "refused"
	if a.agreement != nil {
		subject = a.agreement.ID
	}
	appended, err := g.log.Append(context.WithoutCancel(ctx), store.Item{
		Kind:    audit.Refused,
		Fields:  fields,
		Subject: subject,
		Details: []audit.Detail{
			{Name: "actor", Value: actor(a.who)},
			{Name: "query", Value: clipText(a.req.SQL, a.agreement != nil)},
			{Name: "reason", Value: string(reason)},
		},
	})
	if err != nil {
		return g.unrecorded(err)
	}
	r.Decision = appended.Seq
	return r
}

func whyOf(c Code) string {
	switch c {
	case TextLimit, Syntax, NotSupported:
		return "parse"
	case UnknownName, UnknownCode, BoundMissing, PrecisionRange, NotFound, Invalid, Unavailable,
		UploadMalformed, UploadTruncated, UploadOversized, UploadOffset:
		return "schema"
	case BudgetAgreement, BudgetPopulation:
		return "budget"
	case QuoteStale, NonceUnknown, NonceExpired, NonceUsed, NonceForeign, KeyUnknown:
		return "stale"
	case Rate:
		return "rate"
	}
	return "policy"
}

// noAnswer is the one error after the charge, whatever went wrong.
func noAnswer(decision uint64) *Refusal {
	return &Refusal{
		Code: NoAnswer, Decision: decision,
		Message: "no answer; the charge stands",
		Hint:    "ask the custodian, naming the decision number; asking again is a new charge",
	}
}

func unavailable() *Refusal {
	return &Refusal{Code: Unavailable, Message: "the gateway cannot record this request and therefore does not answer it", Hint: "try again later"}
}

// asleep is for data that lie in a database which is known not to answer. Whether it does is the same for every question.
func asleep() *Refusal {
	return &Refusal{Code: Unavailable, Message: "the database that holds these data does not answer", Hint: "try again in a minute; nothing was charged"}
}

// unrecorded tells the operator why an entry could not be written. The store's errors quote no values.
func (g *Gateway) unrecorded(err error) *Refusal {
	g.operator.Error("entry not recorded", "err", err)
	return unavailable()
}

// causeNotReleased is on record, as the cause of a FAILURE, where the rules of mode sdc let nothing out.
const causeNotReleased = "not released"

// causeOf names the kind of a failure for operator and record: never a message of the engine, which may quote values.
func causeOf(err error) string {
	switch {
	case errors.Is(err, errSlotMissed), errors.Is(err, context.DeadlineExceeded):
		return "slot missed"
	case errors.Is(err, engine.ErrExecute):
		return "engine"
	case isNotReleased(err):
		return causeNotReleased
	case errors.Is(err, errPanic):
		return "panic"
	}
	return "protection"
}

// clipText keeps the record's detail within its limit: the text of a refused request may be anything, and whatever it is, its
// refusal must go on record. What counts is the size of its JSON, where control characters take six bytes each.
func clipText(s string, known bool) string {
	most := 8192
	if !known {
		most = 256 // a stranger does not fill the record
	}
	const mostJSON = 36_000 // a detail holds 36,864 bytes of JSON (audit.MaxDisclosure in base64)
	asked, size := len(s), 0
	s = strings.ToValidUTF8(s, "\uFFFD")
	for i, r := range s {
		switch {
		case r < ' ' || r == '\u2028' || r == '\u2029':
			size += 6
		case r == '"' || r == '\\':
			size += 2
		default:
			size += utf8.RuneLen(r)
		}
		if i+utf8.RuneLen(r) > most || size > mostJSON {
			return fmt.Sprintf("%s... (%d bytes)", s[:i], asked)
		}
	}
	return s
}

// headerCode returns the purpose if it is fit for a public header: a short code of the header alphabet, else nothing.
func headerCode(s string) string {
	if len(s) == 0 || len(s) > 64 {
		return ""
	}
	for _, c := range []byte(s) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == ':' || c == '-' || c == '.' || c == '_') {
			return ""
		}
	}
	return s
}

func freshKey() (key [32]byte, err error) {
	if _, err := rand.Read(key[:]); err != nil {
		return key, fmt.Errorf("read random key: %w", err)
	}
	return key, nil
}
