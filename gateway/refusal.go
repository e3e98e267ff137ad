package gateway

import (
	"fmt"

	"jali/policy"
)

// Code says why a request was not answered. All but NoAnswer and NotReleased are decided before data is touched, from text, catalogue,
// policy and ledger alone (disclosure-control.md section 11).
type Code string

const (
	TextLimit        Code = "TEXT_LIMIT"
	Syntax           Code = "SYNTAX"
	NotSupported     Code = "NOT_SUPPORTED"
	UnknownName      Code = "UNKNOWN_NAME"
	UnknownCode      Code = "UNKNOWN_CODE"
	BoundMissing     Code = "BOUND_MISSING"
	PolicyDenied     Code = "POLICY_DENIED"
	PrecisionRange   Code = "PRECISION_RANGE"
	BudgetAgreement  Code = "BUDGET_AGREEMENT"
	BudgetPopulation Code = "BUDGET_POPULATION"
	QuoteStale       Code = "QUOTE_STALE"
	Rate             Code = "RATE"
	NotFound         Code = "NOT_FOUND"
	Invalid          Code = "INVALID"
	Unavailable      Code = "UNAVAILABLE"
	// Of encrypted questions (docs/encrypted-queries.md): what is wrong with an upload, a nonce or a key.
	UploadMalformed Code = "UPLOAD_MALFORMED"
	UploadTruncated Code = "UPLOAD_TRUNCATED"
	UploadOversized Code = "UPLOAD_OVERSIZED"
	UploadOffset    Code = "UPLOAD_OFFSET"
	NonceUnknown    Code = "NONCE_UNKNOWN"
	NonceExpired    Code = "NONCE_EXPIRED"
	NonceUsed       Code = "NONCE_USED"
	NonceForeign    Code = "NONCE_FOREIGN"
	KeyUnknown      Code = "KEY_UNKNOWN"
	// NoAnswer is the one outcome after the charge: constant bytes, whatever happened.
	NoAnswer Code = "NO_ANSWER"
	// NotReleased is the other outcome after the charge, in mode sdc only: the rules let no figure out. Constant bytes too.
	NotReleased Code = "NOT_RELEASED"
)

// Refusal is the one error type that leaves the gateway. It holds nothing that depends on data.
type Refusal struct {
	Code    Code
	Message string
	Hint    string
	// Line and Column (from 1) place it in the SQL text; 0: no place.
	Line, Column int
	Reasons      []policy.Reason
	// Decision is the sequence number of the REFUSED or INTENT entry; 0: none was written.
	Decision uint64
}

func (r *Refusal) Error() string { return fmt.Sprintf("%s: %s", r.Code, r.Message) }
