package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"os"
	"path/filepath"
	"strings"

	"jali/audit"
	"jali/crypto/cohort"
)

// errOpen: what was sent is not what the record, or an honest client, says.
var errOpen = errors.New("encrypted question does not open as it should")

// encryptedQuestion is what the record says of one: everything that its bytes depend on but the secret.
type encryptedQuestion struct {
	entry  uint64
	params string
	upload [32]byte // SHA-256

	By    string `json:"by"`
	Study string `json:"study"`
	Rule  struct {
		Exact int  `json:"exact"`
		Range bool `json:"range"`
		Min   int  `json:"min"`
		Max   int  `json:"max"`
	} `json:"rule"`
	Key     string `json:"key"`
	Nonce   string `json:"nonce"`
	Table   string `json:"table"`
	Entries int    `json:"entries"`
	Opened  bool   `json:"opened"`
}

// opened is what the auditor has found.
type opened struct {
	Entry    uint64   `json:"entry"`
	Match    bool     `json:"match"`
	Key      string   `json:"key"`
	Upload   string   `json:"upload"`
	List     string   `json:"list"`
	Entries  int      `json:"entries"`
	Selected []int    `json:"selected"` // numbers in the list, from 0
	Checked  []string `json:"checked"`
}

// encrypted finds the question in the details of its intent, each of which the header commits to.
func (c *caseOf) encrypted() (*encryptedQuestion, error) {
	for _, r := range c.rows {
		if r.e.Kind != audit.Intent || r.e.Text("mode") != "he" {
			continue
		}
		q := &encryptedQuestion{entry: r.e.Seq}
		found := map[string]bool{}
		for _, d := range r.details {
			switch d.Name {
			case "query": // "ecq1-a upload sha256:..."
				params, digest, _ := strings.Cut(d.Value, " upload sha256:")
				b, err := hex.DecodeString(digest)
				if err != nil || len(b) != len(q.upload) {
					return nil, failedError{fmt.Errorf("%w: the record names no upload", errOpen)}
				}
				q.params, q.upload = params, [32]byte(b)
			case "request":
				if err := json.Unmarshal([]byte(d.Value), q); err != nil {
					return nil, failedError{fmt.Errorf("%w: the recorded request cannot be read", errOpen)}
				}
			default:
				continue
			}
			found[d.Name] = true
		}
		if len(found) != 2 {
			return nil, usagef("read the record as somebody who may see the details of this entry", "the details of entry %d are withheld", q.entry)
		}
		if !q.Opened {
			return nil, usagef("only questions under an agreement with encrypted.auditor carry an opening", "entry %d was asked without an opening", q.entry)
		}
		return q, nil
	}
	return nil, usagef("name the INTENT of an encrypted question; list shows them", "entry %d belongs to no encrypted question", c.asked)
}

// query is what both sides knew when the upload was made.
func (q *encryptedQuestion) query() (cohort.Query, [32]byte, error) {
	bad := func(what string) (cohort.Query, [32]byte, error) {
		return cohort.Query{}, [32]byte{}, failedError{fmt.Errorf("%w: %s on record is malformed", errOpen, what)}
	}
	params, err := cohort.ParamsByID(q.params)
	if err != nil {
		return bad("the parameter set")
	}
	var rules []cohort.Rule
	switch {
	case q.Rule.Exact > 0:
		rules = append(rules, cohort.ExactSize(q.Rule.Exact))
	case q.Rule.Range && q.Rule.Max == 0:
		rules = append(rules, cohort.AtLeast(q.Rule.Min, q.Entries))
	case q.Rule.Range:
		rules = append(rules, cohort.SizeBetween(q.Rule.Min, bits.Len(uint(q.Rule.Max-q.Rule.Min+1))-1))
	}
	layout, err := cohort.NewLayout(params, q.Entries, rules...)
	if err != nil {
		return bad("the size rule")
	}
	var words [3][32]byte
	for i, text := range []string{q.Key, q.Nonce, q.Table} {
		b, err := hex.DecodeString(text)
		if err != nil || len(b) != 32 {
			return bad("a digest")
		}
		words[i] = [32]byte(b)
	}
	return cohort.Query{Layout: layout, Nonce: words[1], Table: words[2]}, words[0], nil
}

// open reads what the gateway kept, holds it to the digests on record, opens it and makes it again.
func (q *encryptedQuestion) open(secret *cohort.AuditorKey, dir string) (*opened, error) {
	query, kd, err := q.query()
	if err != nil {
		return nil, err
	}
	params := query.Layout.Params()
	body, err := os.ReadFile(filepath.Join(dir, hex.EncodeToString(q.upload[:])+".upload"))
	if err != nil {
		return nil, fmt.Errorf("read kept upload: %w", err)
	}
	if sha256.Sum256(body) != q.upload {
		return nil, failedError{fmt.Errorf("%w: the upload kept is not the one on record", errOpen)}
	}
	upload, err := cohort.ReadUpload(bytes.NewReader(body), query.Layout, true)
	if err != nil {
		return nil, failedError{fmt.Errorf("%w: %w", errOpen, err)}
	}
	crs, registration, err := readKeptKey(filepath.Join(dir, hex.EncodeToString(kd[:])+".key"), params)
	if err != nil {
		return nil, err
	}
	if r, err := cohort.ParseRegistration(params, crs, registration, true); err != nil || r.ID() != cohort.Digest(kd) {
		return nil, failedError{fmt.Errorf("%w: the key kept is not the one on record", errOpen)}
	}
	key, err := secret.OpenKey(params, crs, registration)
	if err != nil {
		return nil, failedError{fmt.Errorf("%w: %w", errOpen, err)}
	}
	defer key.Erase()
	selector, err := key.OpenUpload(query, upload)
	if err != nil {
		return nil, failedError{fmt.Errorf("%w: %w", errOpen, err)}
	}
	defer selector.Erase()
	out := &opened{
		Entry: q.entry, Match: true, Key: "sha256:" + q.Key, Upload: "sha256:" + hex.EncodeToString(q.upload[:]), List: q.By, Entries: q.Entries, Selected: selector.Selected(),
		Checked: []string{"every byte of the registered key and of the upload was recomputed from the opened seeds and is equal", "the upload's SHA-256 and the key's name are those on record"},
	}
	if q.Study != "" {
		out.List = "study " + q.Study
	}
	return out, nil
}

// readKeptKey reads a file of the gateway: a line that says what it is, the set, the random string, then the body as it was sent.
func readKeptKey(path string, p *cohort.Params) (crs [32]byte, body []byte, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return crs, nil, fmt.Errorf("read kept key: %w", err)
	}
	lines := bytes.SplitN(b, []byte("\n"), 4)
	if len(lines) == 4 && string(lines[0]) == "jali kept key 1" && string(lines[1]) == p.ID() {
		if text, err := hex.DecodeString(string(lines[2])); err == nil && len(text) == len(crs) {
			return [32]byte(text), lines[3], nil
		}
	}
	return crs, nil, failedError{fmt.Errorf("%w: the file of the key is not one that the gateway wrote", errOpen)}
}
