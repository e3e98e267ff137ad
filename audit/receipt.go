package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// ReceiptFormat names the format; MaxReceipt bounds a receipt file: two entries with all their details.
const (
	ReceiptFormat = "jali-receipt/1"
	MaxReceipt    = 2 << 20
)

// ErrReceipt: a receipt that is malformed or does not prove what it should.
var ErrReceipt = errors.New("receipt not valid")

// Receipt is what a researcher keeps of an answer: the INTENT and RELEASE entries, their own details, and a proof for each
// that it stands in the signed log. It verifies offline, years later, against the log's public keys.
type Receipt struct {
	Entries []string      // header lines: INTENT, RELEASE
	Details []Disclosures // of these entries
	Proofs  []string      // C2SP tlog-proof of each entry
	Policy  string        // digest of the seal policy; empty while no witnesses are configured
}

// Disclosures are details of one entry, as in an export's disclosures file.
type Disclosures struct {
	Seq uint64   `json:"seq"`
	D   []string `json:"d"`
}

type receiptJSON struct {
	Format  string        `json:"format"`
	Entries []string      `json:"entries"`
	Details []Disclosures `json:"details"`
	Proofs  []string      `json:"proofs"`
	Policy  string        `json:"policy"`
}

// FormatReceipt writes a receipt file.
func FormatReceipt(r Receipt) ([]byte, error) {
	j := receiptJSON{ReceiptFormat, r.Entries, r.Details, r.Proofs, r.Policy}
	if j.Details == nil {
		j.Details = []Disclosures{}
	}
	if err := j.check(); err != nil {
		return nil, fmt.Errorf("format receipt: %w", err)
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(j); err != nil {
		return nil, fmt.Errorf("format receipt: %w", err)
	}
	if buf.Len() > MaxReceipt {
		return nil, fmt.Errorf("format receipt: %w: larger than %d bytes", ErrReceipt, MaxReceipt)
	}
	return buf.Bytes(), nil
}

// ParseReceipt reads a receipt file. Nothing in it is verified yet. Unknown, missing and repeated keys are refused, so that
// no two readers see two different receipts in one file.
func ParseReceipt(text []byte) (Receipt, error) {
	if len(text) > MaxReceipt {
		return Receipt{}, fmt.Errorf("parse receipt: %w: larger than %d bytes", ErrReceipt, MaxReceipt)
	}
	var j receiptJSON
	dec := json.NewDecoder(bytes.NewReader(text))
	err := object(dec, map[string]func() error{
		"format":  func() error { return dec.Decode(&j.Format) },
		"entries": func() error { return dec.Decode(&j.Entries) },
		"proofs":  func() error { return dec.Decode(&j.Proofs) },
		"policy":  func() error { return dec.Decode(&j.Policy) },
		"details": func() error { return disclosures(dec, &j.Details) },
	})
	if err == nil {
		if _, end := dec.Token(); !errors.Is(end, io.EOF) {
			err = errors.New("text after the receipt")
		}
	}
	if err != nil {
		return Receipt{}, fmt.Errorf("parse receipt: %w: %w", ErrReceipt, err)
	}
	if err := j.check(); err != nil {
		return Receipt{}, fmt.Errorf("parse receipt: %w", err)
	}
	return Receipt{j.Entries, j.Details, j.Proofs, j.Policy}, nil
}

func (j *receiptJSON) check() error {
	switch {
	case j.Format != ReceiptFormat:
		return fmt.Errorf("%w: format is not %s", ErrReceipt, ReceiptFormat)
	case len(j.Entries) != 2 || len(j.Proofs) != 2:
		return fmt.Errorf("%w: want two entries and two proofs", ErrReceipt)
	case len(j.Details) > 2:
		return fmt.Errorf("%w: details of more than two entries", ErrReceipt)
	case !ValidString(j.Policy):
		return fmt.Errorf("%w: policy is not a digest", ErrReceipt)
	}
	for _, d := range j.Details {
		if len(d.D) > MaxDetails {
			return fmt.Errorf("%w: more than %d details", ErrReceipt, MaxDetails)
		}
	}
	return nil
}

// object reads a JSON object with exactly the given members, each once, in any order.
func object(dec *json.Decoder, members map[string]func() error) error {
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return errors.New("expected an object")
	}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return err
		}
		name, _ := t.(string)
		read, ok := members[name]
		if !ok {
			return errors.New("unknown or repeated key")
		}
		delete(members, name)
		if err := read(); err != nil {
			return err
		}
	}
	if len(members) > 0 {
		return errors.New("missing key")
	}
	_, err := dec.Token()
	return err
}

func disclosures(dec *json.Decoder, out *[]Disclosures) error {
	if t, err := dec.Token(); err != nil || t != json.Delim('[') {
		return errors.New("expected an array of details")
	}
	*out = []Disclosures{}
	for dec.More() {
		var d Disclosures
		err := object(dec, map[string]func() error{
			"seq": func() error { return dec.Decode(&d.Seq) },
			"d":   func() error { return dec.Decode(&d.D) },
		})
		if err != nil {
			return err
		}
		*out = append(*out, d)
	}
	_, err := dec.Token()
	return err
}
