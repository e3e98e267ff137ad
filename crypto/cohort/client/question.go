package client

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"slices"
	"strconv"

	"jali/crypto/cohort"
)

// ErrQuestion: the text is not the public part of a question.
var ErrQuestion = errors.New("bad question")

// ReadQuestion reads the public facts of a question. They are those of the gateway's quote and of the request for it, under the same
// names and in the same JSON:
//
//	{"params": "ecq1-a", "entries": "71834", "table": "<base64>", "nonce": "<base64>", "rule": {"range": {"min": "20"}}}
//
// Numbers may be JSON numbers too. rule is {"exact": K}, {"range": {"min": A, "max": B}} with B absent or 0 for no upper limit, or
// absent; it means what it means to the gateway.
func ReadQuestion(text []byte) (cohort.Query, error) {
	var q cohort.Query
	m, err := object("question", text, []string{"params", "entries", "table", "nonce"}, "rule")
	if err != nil {
		return q, err
	}
	var id string
	if json.Unmarshal(m["params"], &id) != nil {
		return q, fmt.Errorf("%w: params is not a string", ErrQuestion)
	}
	p, err := cohort.ParamsByID(id)
	if err != nil {
		return q, fmt.Errorf("%w: params is none of %q", ErrQuestion, cohort.IDs())
	}
	entries, err := number(m, "entries")
	if err != nil {
		return q, err
	}
	table, err := bytes32(m, "table")
	if err != nil {
		return q, err
	}
	if q.Nonce, err = bytes32(m, "nonce"); err != nil {
		return q, err
	}
	rules, err := readRule(m["rule"], entries)
	if err != nil {
		return q, err
	}
	q.Table = table
	if q.Layout, err = cohort.NewLayout(p, entries, rules...); err != nil {
		return q, fmt.Errorf("%w: %w", ErrQuestion, err)
	}
	return q, nil
}

// readRule makes of a declared rule what the gateway makes of it.
func readRule(text json.RawMessage, entries int) ([]cohort.Rule, error) {
	if text == nil {
		return nil, nil
	}
	m, err := object("rule", text, nil, "exact", "range")
	if err != nil {
		return nil, err
	}
	if len(m) != 1 {
		return nil, fmt.Errorf("%w: a rule is either exact or range", ErrQuestion)
	}
	if m["exact"] != nil {
		k, err := number(m, "exact")
		if err != nil {
			return nil, err
		}
		if k == 0 {
			return nil, fmt.Errorf("%w: exact is at least 1", ErrQuestion)
		}
		return []cohort.Rule{cohort.ExactSize(k)}, nil
	}
	r, err := object("range", m["range"], nil, "min", "max")
	if err != nil {
		return nil, err
	}
	low, high := 0, 0
	if r["min"] != nil {
		if low, err = number(r, "min"); err != nil {
			return nil, err
		}
	}
	if r["max"] != nil {
		if high, err = number(r, "max"); err != nil {
			return nil, err
		}
	}
	if high == 0 {
		return []cohort.Rule{cohort.AtLeast(low, entries)}, nil
	}
	width := high - low + 1
	if width < 2 || bits.OnesCount(uint(width)) != 1 {
		return nil, fmt.Errorf("%w: a hidden size has a range of 2, 4, 8, ... numbers; choose the maximum so that max - min + 1 is one of them, or leave it out", ErrQuestion)
	}
	return []cohort.Rule{cohort.SizeBetween(low, bits.Len(uint(width))-1)}, nil
}

// object reads a JSON object with exactly these members, each once.
func object(what string, text []byte, required []string, optional ...string) (map[string]json.RawMessage, error) {
	bad := fmt.Errorf("%w: %s is not a JSON object", ErrQuestion, what)
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, bad
	}
	m := map[string]json.RawMessage{}
	for d.More() {
		t, err := d.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return nil, bad
		}
		if !slices.Contains(required, name) && !slices.Contains(optional, name) {
			return nil, fmt.Errorf("%w: %s has a member that is none of %q", ErrQuestion, what, slices.Concat(required, optional))
		}
		if m[name] != nil {
			return nil, fmt.Errorf("%w: %s appears twice", ErrQuestion, name)
		}
		var v json.RawMessage
		if err := d.Decode(&v); err != nil {
			return nil, bad
		}
		m[name] = v
	}
	if t, err := d.Token(); err != nil || t != json.Delim('}') {
		return nil, bad
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, bad
	}
	for _, name := range required {
		if m[name] == nil {
			return nil, fmt.Errorf("%w: %s is missing", ErrQuestion, name)
		}
	}
	return m, nil
}

// number reads a whole number, as a JSON number or as the string that 64-bit numbers are in the JSON of protocol buffers.
func number(m map[string]json.RawMessage, name string) (int, error) {
	text := string(m[name])
	if n := len(text); n >= 2 && text[0] == '"' && text[n-1] == '"' {
		text = text[1 : n-1]
	}
	v, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0, fmt.Errorf("%w: %s is not a whole number", ErrQuestion, name)
	}
	return int(v), nil
}

func bytes32(m map[string]json.RawMessage, name string) ([32]byte, error) {
	var text string
	if json.Unmarshal(m[name], &text) == nil {
		if b, err := base64.StdEncoding.Strict().DecodeString(text); err == nil && len(b) == 32 {
			return [32]byte(b), nil
		}
	}
	return [32]byte{}, fmt.Errorf("%w: %s is not 32 bytes in base64", ErrQuestion, name)
}
