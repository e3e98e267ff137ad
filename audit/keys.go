package audit

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	tnote "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
)

// Names of the signature algorithms of a log.
const (
	Ed25519 = "Ed25519"
	MLDSA44 = "ML-DSA-44"
)

// ErrKeys: text that is not a set of verifier keys of one log.
var ErrKeys = errors.New("malformed log verifier keys")

// Keys are the verifier keys of one log: an Ed25519 key always, an ML-DSA-44 key where the log has one. The key name is the
// log's origin.
type Keys struct {
	Origin string
	VKeys  []string // in the order of the genesis
	ed, pq note.Verifier
}

// ReadKeys reads verifier keys, one per line; blank lines and lines that begin with # are skipped.
func ReadKeys(text []byte) (*Keys, error) {
	var vkeys []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			vkeys = append(vkeys, line)
		}
	}
	return ParseKeys(vkeys)
}

// ParseKeys reads the verifier keys of one log.
func ParseKeys(vkeys []string) (*Keys, error) {
	k := &Keys{VKeys: vkeys}
	for _, s := range vkeys {
		v, alg, err := parseVKey(s)
		if err != nil {
			return nil, err
		}
		if k.Origin != "" && k.Origin != v.Name() {
			return nil, fmt.Errorf("%w: keys of two logs", ErrKeys)
		}
		k.Origin = v.Name()
		slot := &k.ed
		if alg == MLDSA44 {
			slot = &k.pq
		}
		if *slot != nil {
			return nil, fmt.Errorf("%w: two %s keys", ErrKeys, alg)
		}
		*slot = v
	}
	if k.ed == nil {
		return nil, fmt.Errorf("%w: no Ed25519 key", ErrKeys)
	}
	if !ValidString(k.Origin) {
		return nil, fmt.Errorf("%w: the name cannot be an origin", ErrKeys)
	}
	return k, nil
}

func parseVKey(s string) (note.Verifier, string, error) {
	parts := strings.SplitN(s, "+", 3)
	if len(parts) != 3 {
		return nil, "", fmt.Errorf("%w: want name+hash+key", ErrKeys)
	}
	raw, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(raw) == 0 {
		return nil, "", fmt.Errorf("%w: key is not base64", ErrKeys)
	}
	switch raw[0] {
	case 1:
		v, err := note.NewVerifier(s)
		if err != nil {
			return nil, "", fmt.Errorf("%w: %w", ErrKeys, err)
		}
		return v, Ed25519, nil
	case 6:
		v, err := tnote.NewMLDSAVerifier(s)
		if err != nil {
			return nil, "", fmt.Errorf("%w: %w", ErrKeys, err)
		}
		// The library does not compare the hash in the text with the key.
		if fmt.Sprintf("%08x", v.KeyHash()) != parts[1] {
			return nil, "", fmt.Errorf("%w: invalid verifier hash", ErrKeys)
		}
		return v, MLDSA44, nil
	}
	return nil, "", fmt.Errorf("%w: algorithm %d is not a log's", ErrKeys, raw[0])
}

// Text is the keys as a file: one per line.
func (k *Keys) Text() string { return strings.Join(k.VKeys, "\n") + "\n" }

// Verifiers are the verifiers of the log's keys, Ed25519 first.
func (k *Keys) Verifiers() []note.Verifier {
	out := []note.Verifier{k.ed}
	if k.pq != nil {
		out = append(out, k.pq)
	}
	return out
}
