package sdk

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"jali/audit"
	jaliv1 "jali/proto/jali/v1"
)

// Receipt is what a verified receipt showed. Only what Checks lists was checked.
type Receipt struct {
	// Raw is the receipt file (jali-receipt/1): keep it, it verifies offline, years later.
	Raw []byte `json:"-"`
	// Intent and Release are the log entries of the charge and of the release.
	Intent  uint64 `json:"intent"`
	Release uint64 `json:"release"`
	// Origin names the log; Size is how many entries it had when it signed.
	Origin string `json:"origin"`
	Size   uint64 `json:"size"`
	// SignedBy lists the algorithms of the log's signatures that are valid under the pinned keys.
	SignedBy []string `json:"signed_by"`
	// KeyIDs are the key hashes of the pinned keys.
	KeyIDs []string `json:"key_ids"`
	// Sealed: enough witnesses of the seal policy given (Config.Seal) cosigned. Unsealed, the operator alone vouches for the log's
	// history. Policy is the digest of the seal policy that the receipt names; empty: the log is unwitnessed.
	Sealed     bool     `json:"sealed"`
	Policy     string   `json:"policy,omitempty"`
	CosignedBy []string `json:"cosigned_by,omitempty"`
	// Released is when the answer went on record, by the gateway's clock.
	Released time.Time `json:"released"`
	// Agreement, Dataset and Purpose are on the public part of the record; SQL is the text as first asked, when disclosed.
	Agreement string `json:"agreement"`
	Dataset   string `json:"dataset"`
	Purpose   string `json:"purpose"`
	SQL       string `json:"sql,omitempty"`
	// ResultChecked: the result bytes given are those on record.
	ResultChecked bool `json:"result_checked"`
	// Checks says in words what was checked, in order.
	Checks []string `json:"checks"`
}

// VerifyReceipt checks a receipt offline against the log's verifier keys (lines, or the path of a file with them). Result is the
// bytes that came with it ([Result.Raw]); nil leaves them unchecked, and the Receipt says so. An error matches ErrReceipt, or
// ErrConfig when the keys cannot be read.
func VerifyReceipt(receipt, result []byte, vkeys string) (Receipt, error) {
	return VerifySealedReceipt(receipt, result, vkeys, "")
}

// VerifySealedReceipt is VerifyReceipt that also judges cosignatures, by a seal policy (its text or path, see Config.Seal).
func VerifySealedReceipt(receipt, result []byte, vkeys, seal string) (Receipt, error) {
	keys, err := Config{VKeys: vkeys}.vkeys()
	if err != nil {
		return Receipt{}, err
	}
	if len(keys) == 0 {
		return Receipt{}, configError("name the log's verifier keys (--vkeys, or vkeys: in the profile)", "a receipt cannot be verified without the log's verifier keys")
	}
	quorum, err := Config{Seal: seal}.quorum()
	if err != nil {
		return Receipt{}, err
	}
	got, _, err := checkReceipt(receipt, result, keys, quorum)
	if err != nil {
		return Receipt{}, &ReceiptError{Reason: err, UnverifiedReceipt: receipt, UnverifiedResult: result}
	}
	return got, nil
}

func checkReceipt(receipt, result []byte, vkeys []string, seal *audit.Quorum) (Receipt, audit.Report, error) {
	report, err := audit.VerifySealedReceipt(receipt, result, vkeys, "", seal)
	if err != nil {
		return Receipt{}, audit.Report{}, err
	}
	in := report.Intent
	r := Receipt{
		Raw: receipt, Intent: in.Seq, Release: report.Release.Seq, Origin: report.Origin, Size: report.Size, SignedBy: report.SignedBy,
		Sealed: report.Sealed, Policy: report.Policy, Released: time.UnixMicro(report.Release.Time).UTC(),
		Agreement: in.Text("ag"), Dataset: in.Text("ds"), Purpose: in.Text("pu"), SQL: disclosed(report, "query"),
		ResultChecked: report.ResultChecked, Checks: report.Checks,
	}
	for _, s := range report.Cosignatures {
		r.CosignedBy = append(r.CosignedBy, s.Name+" ("+s.Algorithm+")")
	}
	for _, key := range vkeys {
		if parts := strings.SplitN(key, "+", 3); len(parts) == 3 {
			r.KeyIDs = append(r.KeyIDs, parts[1])
		}
	}
	return r, report, nil
}

// verify checks the receipt of an answer, and that it is the receipt of this answer to this question: a valid receipt of
// another agreement, question, price or result is refused too.
func (c *Client) verify(q Query, answer *jaliv1.QueryResponse) (Receipt, error) {
	if len(answer.GetReceipt()) == 0 || len(answer.GetResult()) == 0 {
		return Receipt{}, errors.New("the answer came without result or receipt")
	}
	r, report, err := checkReceipt(answer.GetReceipt(), answer.GetResult(), c.vkeys, c.seal)
	if err != nil {
		return Receipt{}, err
	}
	if !r.ResultChecked {
		return Receipt{}, errors.New("the receipt does not commit to the result")
	}
	if err := matches(q, answer, r, report); err != nil {
		return Receipt{}, err
	}
	return r, nil
}

// matches compares what is on record with what was asked and answered. A replay carries the receipt of the first asking,
// which may have been spelt differently, by a colleague, for another purpose of the agreement: there, agreement and data set
// must match, and Receipt.SQL tells the first spelling.
func matches(q Query, answer *jaliv1.QueryResponse, r Receipt, report audit.Report) error {
	other := func(what string) error { return fmt.Errorf("the receipt is of another %s", what) }
	switch {
	case r.Agreement != q.Agreement:
		return other("agreement")
	case q.Dataset != "" && r.Dataset != q.Dataset:
		return other("data set")
	case answer.GetDecision() != r.Intent:
		return other("decision")
	}
	if answer.GetReplayed() {
		if answer.GetPricePu() != 0 {
			return errors.New("a stored answer is free, but a price is stated")
		}
		return nil
	}
	switch {
	case r.Purpose != q.Purpose:
		return other("purpose")
	case !known(report.Intent.Text("acct")) || priceOf(report.Intent.Part("cost", "r")) != answer.GetPricePu():
		return other("price")
	}
	return asked(q, disclosed(report, "request"))
}

// known reports whether an amount on record is in a unit that prices are stated in: nano-rho or, of data in mode sdc, 1/10,000 of a
// cell, so that a whole unit is a privacy unit or a cell.
func known(acct string) bool { return acct == "nrho" || acct == "cells" }

// perPU is how many nano-rho, the unit on record, make one PU.
const perPU = 10_000

// priceOf rounds up, as prices are.
func priceOf(nanoRho int64) int64 {
	if nanoRho <= 0 {
		return 0
	}
	return (nanoRho-1)/perPU + 1
}

// asked compares the question on record with the one that was sent.
func asked(q Query, recorded string) error {
	var on struct {
		Agreement string            `json:"agreement"`
		Purpose   string            `json:"purpose"`
		SQL       string            `json:"sql"`
		Error     string            `json:"error"`
		ErrorFor  map[string]string `json:"error_for"`
		RequestID string            `json:"request_id"`
		QuoteID   string            `json:"quote_id"`
	}
	if err := json.Unmarshal([]byte(recorded), &on); err != nil {
		return errors.New("the receipt does not disclose the question")
	}
	same := on.Agreement == q.Agreement && on.Purpose == q.Purpose && on.SQL == q.SQL && on.Error == q.Error &&
		on.RequestID == q.RequestID && on.QuoteID == q.QuoteID && maps.Equal(on.ErrorFor, q.ErrorFor)
	if !same {
		return errors.New("the receipt is of another question")
	}
	return nil
}

// disclosed is the value of a detail of the INTENT; empty: not disclosed.
func disclosed(report audit.Report, name string) string {
	for _, d := range report.Details[report.Intent.Seq] {
		if d.Name == name {
			return d.Value
		}
	}
	return ""
}
