package policy

import (
	"bytes"
	"encoding/base64"
	"slices"

	"github.com/goccy/go-yaml/ast"
)

// EncryptedTerms are an agreement's terms for questions that stay encrypted. They speak of what is public about one: nobody here
// sees the selection.
type EncryptedTerms struct {
	// Size is the size rule that must be declared: "any" (also none), "declared" (one of the two), "exact" or "range".
	Size string
	// MinSize is the fewest entries the declared rule may allow; 0: no limit.
	MinSize int64
	// MaxGroups is the most groups of one question.
	MaxGroups int64
	// Auditor is the public key to which keys and uploads are opened; nil: to nobody.
	Auditor []byte
}

// InputEncryptedTerms is EncryptedTerms as a decision sees it.
type InputEncryptedTerms struct {
	Size      string `json:"size"`
	MinSize   int64  `json:"min_size"`
	MaxGroups int64  `json:"max_groups"`
	Opening   bool   `json:"opening"` // keys and uploads are opened to an auditor
}

// InputEncrypted is what is public about an encrypted question, besides what every query has.
type InputEncrypted struct {
	Form      string   `json:"form"`      // category | subject
	Study     string   `json:"study"`     // id of the study whose participants are selected; empty in category form
	Aggregate string   `json:"aggregate"` // count | sum | mean
	Select    []string `json:"select"`    // table.column over which the secret selects
	Group     []string `json:"group"`     // table.column reported by, in the clear; at most one
	Filter    []string `json:"filter"`    // table.column of the condition, in the clear
	Entries   int64    `json:"entries"`   // to select from: cells of the lists, or slots of the study
	Groups    int64    `json:"groups"`    // reported; 1 without grouping
	Rule      string   `json:"rule"`      // none | exact | range
	// Min and Max bound the number of selected entries as the rule declares it.
	Min int64 `json:"min"`
	Max int64 `json:"max"`
	// Opened: key and upload carry an opening to the agreement's auditor.
	Opened bool `json:"opened"`
}

const (
	// mostGroups is the limit where the file sets none.
	mostGroups = 100
	// mostEntries is the most that one encrypted question selects from.
	mostEntries = 1 << 24
	// auditorBytes is the length of a public key: ML-KEM-768 and X25519.
	auditorBytes = 1216
)

func (t EncryptedTerms) input() *InputEncryptedTerms {
	return &InputEncryptedTerms{Size: t.Size, MinSize: t.MinSize, MaxGroups: t.MaxGroups, Opening: t.Auditor != nil}
}

func (in *InputEncrypted) canonical() *InputEncrypted {
	if in == nil {
		return nil
	}
	c := *in
	c.Select, c.Group, c.Filter = list(c.Select), list(c.Group), list(c.Filter)
	return &c
}

// encrypted reads the terms; a file without them has the widest.
func (r *reader) encrypted(n ast.Node) EncryptedTerms {
	t := EncryptedTerms{Size: "any", MaxGroups: mostGroups}
	if n == nil {
		return t
	}
	const path = "encrypted"
	o := r.object(path, n, nil, []string{"size", "min_size", "max_groups", "auditor"})
	if o["size"] != nil {
		t.Size = r.text(path+".size", o["size"])
	}
	if o["min_size"] != nil {
		t.MinSize = r.integer(path+".min_size", o["min_size"])
	}
	if o["max_groups"] != nil {
		t.MaxGroups = r.integer(path+".max_groups", o["max_groups"])
	}
	if o["auditor"] != nil {
		text := r.text(path+".auditor", o["auditor"])
		key, err := base64.StdEncoding.Strict().DecodeString(text)
		if r.err == nil && (err != nil || len(key) != auditorBytes) {
			r.fail(path+".auditor", "must be an auditor's public key, as jali-auditor open keygen writes it")
		}
		t.Auditor = bytes.Clone(key)
	}
	return t
}

func (a *Agreement) checkEncrypted(r *reader, given bool) error {
	t := a.Encrypted
	switch {
	case given && !slices.Contains(a.Kinds, "encrypted"):
		return r.errorf("encrypted", "has no effect: kinds does not list encrypted")
	case !slices.Contains([]string{"any", "declared", "exact", "range"}, t.Size):
		return r.errorf("encrypted.size", "must be any, declared, exact or range")
	case t.MinSize < 0 || t.MinSize > mostEntries:
		return r.errorf("encrypted.min_size", "must be a whole number from 0 to %d", int64(mostEntries))
	case t.MinSize > 0 && t.Size == "any":
		return r.errorf("encrypted.min_size", "needs a declared size: write size: declared, exact or range")
	case t.MaxGroups < 1 || t.MaxGroups > mostGroups:
		return r.errorf("encrypted.max_groups", "must be a whole number from 1 to %d", int64(mostGroups))
	}
	return nil
}
