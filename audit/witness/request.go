package witness

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Limits of a request. 63 hashes prove consistency of any two trees that a u64 can count.
const (
	MaxBody  = 64 << 10
	MaxProof = 63
)

// ErrRequest: a body that is not an add-checkpoint request.
var ErrRequest = errors.New("malformed add-checkpoint request")

// Request is the body of add-checkpoint.
type Request struct {
	Old        uint64
	Proof      [][32]byte
	Checkpoint []byte // signed note
}

// Format writes the body.
func (r Request) Format() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "old %d\n", r.Old)
	for _, h := range r.Proof {
		b.WriteString(base64.StdEncoding.EncodeToString(h[:]))
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	b.Write(r.Checkpoint)
	return b.Bytes()
}

// ParseRequest reads the body. Nothing in it is verified yet, and the checkpoint is not parsed.
func ParseRequest(body []byte) (Request, error) {
	head, checkpoint, ok := strings.Cut(string(body), "\n\n")
	if !ok || checkpoint == "" {
		return Request{}, fmt.Errorf("%w: no empty line before a checkpoint", ErrRequest)
	}
	lines := strings.Split(head, "\n")
	r := Request{Checkpoint: []byte(checkpoint)}
	old, ok := strings.CutPrefix(lines[0], "old ")
	if !ok {
		return Request{}, fmt.Errorf("%w: the first line is not \"old SIZE\"", ErrRequest)
	}
	var err error
	if r.Old, err = strconv.ParseUint(old, 10, 64); err != nil || strconv.FormatUint(r.Old, 10) != old {
		return Request{}, fmt.Errorf("%w: the old size is not a plain decimal number", ErrRequest)
	}
	if len(lines)-1 > MaxProof {
		return Request{}, fmt.Errorf("%w: more than %d proof lines", ErrRequest, MaxProof)
	}
	for _, line := range lines[1:] {
		h, err := base64.StdEncoding.Strict().DecodeString(line)
		if err != nil || len(h) != 32 || strings.ContainsAny(line, "\r\n") {
			return Request{}, fmt.Errorf("%w: a proof line is not the base64 of 32 bytes", ErrRequest)
		}
		r.Proof = append(r.Proof, [32]byte(h))
	}
	return r, nil
}

// origin is the first line of a checkpoint, read before the note is: an unknown log is told so whatever else is wrong.
func (r Request) origin() string {
	origin, _, _ := strings.Cut(string(r.Checkpoint), "\n")
	return origin
}

func rootOf(s string) ([32]byte, error) {
	h, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || len(h) != 32 {
		return [32]byte{}, fmt.Errorf("%w: a root is not the base64 of 32 bytes", ErrRequest)
	}
	return [32]byte(h), nil
}
