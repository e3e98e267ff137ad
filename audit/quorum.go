package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	tnote "github.com/transparency-dev/formats/note"
	"github.com/transparency-dev/formats/witness"
	"golang.org/x/mod/sumdb/note"
)

// ErrQuorum: text that is not a quorum file, or one that counts a witness twice or asks for none.
var ErrQuorum = errors.New("quorum file not valid")

// Quorum says whose cosignatures suffice: a C2SP tlog-policy file. seal.policy decides which receipts count as sealed,
// l2.policy what an answer of level 2 waits for.
type Quorum struct {
	Text      []byte
	Digest    string     // as receipts name it
	Cosigners []Cosigner // one per key, in the order of the file
	None      bool       // "quorum none": nobody is asked, nothing is ever sealed
	logs      []string
	group     witness.Group
}

// Cosigner is one key of a witness.
type Cosigner struct {
	Name      string // of the key, which is what signature lines carry
	Algorithm string
	VKey      string
	URL       string // prefix of add-checkpoint
	verifier  note.Verifier
}

// Cosignature is a valid cosignature on a checkpoint, with the witness's own statement of the time.
type Cosignature struct {
	Name, Algorithm string
	Time            time.Time
}

// ParseQuorum reads a quorum file. It is stricter than the library that evaluates it: a file in which a threshold is 0, or one
// key or one member counts twice, would call sealed what fewer witnesses than it seems have seen.
func ParseQuorum(text []byte) (*Quorum, error) {
	q := &Quorum{Text: bytes.Clone(text), Digest: Digest(sha256.Sum256(text))}
	quorums := 0
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		err := error(nil)
		switch {
		case strings.Contains(line, "#"):
			err = errors.New("a comment needs a line of its own")
		case fields[0] == "log" && len(fields) >= 2:
			q.logs = append(q.logs, fields[1])
		case fields[0] == "witness" && len(fields) == 4:
			err = q.cosigner(fields[2], fields[3])
		case fields[0] == "group" && len(fields) >= 4:
			err = checkGroup(fields[2], fields[3:])
		case fields[0] == "quorum" && len(fields) == 2:
			quorums++
			q.None = fields[1] == "none"
		default:
			err = errors.New("want log VKEY, witness NAME VKEY URL, group NAME N MEMBER..., or quorum NAME")
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w: %w", n, ErrQuorum, err)
		}
	}
	if quorums != 1 {
		return nil, fmt.Errorf("%w: want exactly one quorum line", ErrQuorum)
	}
	var err error
	if q.group, err = witness.ParsePolicy(text); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrQuorum, err)
	}
	return q, nil
}

func (q *Quorum) cosigner(vkey, at string) error {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) != 3 {
		return errors.New("want name+hash+key")
	}
	raw, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(raw) == 0 {
		return errors.New("the key is not base64")
	}
	v, err := tnote.NewVerifierForCosignatureV1(vkey)
	switch {
	case err != nil:
		return err
	case raw[0] != 4 && raw[0] != 6:
		return errors.New("want a cosignature key: algorithm 4 (Ed25519) or 6 (ML-DSA-44)")
	case fmt.Sprintf("%08x", v.KeyHash()) != parts[1]: // the library does not compare them
		return errors.New("invalid verifier hash")
	case !ValidString(v.Name()):
		return errors.New("the name of the key has characters that a log entry cannot hold")
	}
	u, err := url.Parse(at)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("want an http or https URL without user, query or fragment")
	}
	c := Cosigner{Name: v.Name(), Algorithm: Ed25519, VKey: vkey, URL: strings.TrimSuffix(at, "/"), verifier: v}
	if raw[0] == 6 {
		c.Algorithm = MLDSA44
	}
	for _, other := range q.Cosigners {
		switch {
		case other.verifier.KeyHash() == v.KeyHash() && other.Name == c.Name:
			return errors.New("the same key twice would count twice")
		case (other.Name == c.Name) != (other.URL == c.URL):
			return errors.New("keys at one URL must have one name, and no name two URLs")
		}
	}
	q.Cosigners = append(q.Cosigners, c)
	return nil
}

func checkGroup(threshold string, members []string) error {
	if threshold != "any" && threshold != "all" {
		if n, err := strconv.ParseUint(threshold, 10, 8); err != nil || n == 0 {
			return errors.New("a threshold is any, all, or a number from 1")
		}
	}
	sorted := slices.Sorted(slices.Values(members))
	if len(slices.Compact(sorted)) != len(members) {
		return errors.New("the same member twice would count twice")
	}
	return nil
}

// CheckLog checks that a quorum is fit for a log: the log is named, if any is, and does not witness itself.
func (q *Quorum) CheckLog(k *Keys) error {
	for _, v := range q.logs {
		if !slices.Contains(k.VKeys, v) {
			return fmt.Errorf("%w: a log line names another log or key", ErrQuorum)
		}
	}
	for _, c := range q.Cosigners {
		if c.Name == k.Origin {
			return fmt.Errorf("%w: the log cannot witness itself", ErrQuorum)
		}
	}
	return nil
}

// Satisfied reports whether enough witnesses have cosigned a checkpoint. It says nothing of the log's own signatures.
func (q *Quorum) Satisfied(checkpoint []byte) bool { return !q.None && q.group.Satisfied(checkpoint) }

// Cosignatures lists the valid cosignatures of the quorum's keys on a checkpoint, in the order of the file.
func (q *Quorum) Cosignatures(checkpoint []byte) []Cosignature {
	var out []Cosignature
	for _, c := range q.Cosigners {
		n, err := note.Open(checkpoint, note.VerifierList(c.verifier))
		if err != nil || len(n.Sigs) != 1 {
			continue
		}
		if t, err := tnote.CoSigV1Timestamp(n.Sigs[0]); err == nil {
			out = append(out, Cosignature{c.Name, c.Algorithm, t.UTC()})
		}
	}
	return out
}

// Cosign adds the valid signature lines of this quorum's keys to a signed checkpoint; lines of other or already present keys
// are dropped. It returns the names of the keys that were added.
func (q *Quorum) Cosign(checkpoint, lines []byte) ([]byte, []Cosignature) {
	body, _, ok := bytes.Cut(checkpoint, []byte("\n\n"))
	if !ok {
		return checkpoint, nil
	}
	var added []Cosignature
	out := bytes.Clone(checkpoint)
	for _, c := range q.Cosigners {
		if n, err := note.Open(out, note.VerifierList(c.verifier)); err == nil && len(n.Sigs) > 0 {
			continue
		}
		for line := range strings.Lines(string(lines)) {
			one := append(append(bytes.Clone(body), "\n\n"...), line...)
			n, err := note.Open(one, note.VerifierList(c.verifier))
			if err != nil || len(n.Sigs) != 1 {
				continue
			}
			t, err := tnote.CoSigV1Timestamp(n.Sigs[0])
			if err != nil || t.Unix() == 0 {
				continue
			}
			out = append(out, line...)
			added = append(added, Cosignature{c.Name, c.Algorithm, t.UTC()})
			break
		}
	}
	return out, added
}
