package sdktest

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"testing"

	"jali/audit"
	"jali/crypto/cohort"
	jaliv1 "jali/proto/jali/v1"
	"jali/sdk"
)

// TestCohortHostile sends what no honest client sends, over the network. Each gets its own error, which is on the record before it is heard;
// nothing is charged; the process lives, and answers an honest question after all. Expired nonces need a clock: gateway's TestCohortNonces.
func TestCohortHostile(t *testing.T) {
	g := start(t, Config{Agreements: []string{schemeAgreement}, Persons: 500})
	w := newWire(t, g)
	other := newWireOf(t, g, g.Client("other", "Example Pharma", Researcher))
	pid := g.PID()

	// send streams a body and asks for its evaluation, in the name of from.
	send := func(from *wire, nonce, body []byte, commit [32]byte) ([]byte, error) {
		stream, err := from.Upload(t.Context())
		if err != nil {
			return nil, err
		}
		for part := range chunked(body, 64<<10) {
			if err := stream.Send(&jaliv1.UploadRequest{Nonce: nonce, Data: part}); errors.Is(err, io.EOF) {
				break // CloseAndRecv says why
			} else if err != nil {
				return nil, err
			}
		}
		if _, err := stream.CloseAndRecv(); err != nil {
			return nil, err
		}
		answer, err := from.Evaluate(t.Context(), &jaliv1.EvaluateRequest{Nonce: nonce, Commit: commit[:]})
		return answer.GetReply(), err
	}
	honest := func() (nonce, body, reply []byte) {
		t.Helper()
		nonce, body = w.make(t)
		reply, err := send(w, nonce, body, sha256.Sum256(body))
		if err != nil {
			t.Fatalf("an honest question: %v", sdk.FromStatus(err))
		}
		if _, err := w.key.Decrypt(reply, []int64{1000}); err != nil {
			t.Fatalf("an honest question: %v", err)
		}
		return nonce, body, reply
	}
	p := w.key.Params()
	tests := []struct {
		name string
		code string
		do   func() error
	}{
		{"truncated", "UPLOAD_TRUNCATED", func() error {
			nonce, body := w.make(t)
			_, err := send(w, nonce, body[:len(body)-1], sha256.Sum256(body))
			return err
		}},
		{"empty", "UPLOAD_TRUNCATED", func() error {
			nonce, body := w.make(t)
			_, err := send(w, nonce, nil, sha256.Sum256(body))
			return err
		}},
		{"nothing uploaded", "UPLOAD_TRUNCATED", func() error {
			nonce, body := w.make(t)
			commit := sha256.Sum256(body)
			_, err := w.Evaluate(t.Context(), &jaliv1.EvaluateRequest{Nonce: nonce, Commit: commit[:]})
			return err
		}},
		{"oversized by a byte", "UPLOAD_OVERSIZED", func() error {
			nonce, body := w.make(t)
			_, err := send(w, nonce, append(body, 0), sha256.Sum256(body))
			return err
		}},
		{"oversized by far", "UPLOAD_OVERSIZED", func() error {
			nonce, body := w.make(t)
			_, err := send(w, nonce, append(body, make([]byte, 4<<20)...), sha256.Sum256(body))
			return err
		}},
		{"a residue out of range", "UPLOAD_MALFORMED", func() error {
			nonce, body := w.make(t)
			for i := range 16 { // residues of 51 bits, of which all ones is none
				body[32+i] = 0xff
			}
			_, err := send(w, nonce, body, sha256.Sum256(body))
			return err
		}},
		{"all ones", "UPLOAD_MALFORMED", func() error {
			nonce, body := w.make(t)
			body = bytes.Repeat([]byte{0xff}, len(body))
			_, err := send(w, nonce, body, sha256.Sum256(body))
			return err
		}},
		{"a bit flipped on the way", "UPLOAD_MALFORMED", func() error {
			nonce, body := w.make(t)
			commit := sha256.Sum256(body)
			body[5] ^= 4 // in nonce_c, where any bits are good: the digest alone tells
			_, err := send(w, nonce, body, commit)
			return err
		}},
		{"replayed under its own nonce", "NONCE_USED", func() error {
			nonce, _, _ := honest()
			_, body := w.make(t)
			_, err := send(w, nonce, body, sha256.Sum256(body))
			return err
		}},
		{"a nonce burnt by a malformed upload", "NONCE_USED", func() error {
			nonce, body := w.make(t)
			if _, err := send(w, nonce, body[:40], sha256.Sum256(body)); err == nil {
				return errors.New("a truncated upload was taken")
			}
			_, err := send(w, nonce, body, sha256.Sum256(body))
			return err
		}},
		{"another's nonce", "NONCE_FOREIGN", func() error {
			nonce, body := w.make(t)
			_, err := send(other, nonce, body, sha256.Sum256(body))
			return err
		}},
		{"a nonce nobody issued", "NONCE_UNKNOWN", func() error {
			_, body := w.make(t)
			_, err := send(w, make([]byte, 32), body, sha256.Sum256(body))
			return err
		}},
		{"another's key", "KEY_UNKNOWN", func() error {
			id := other.key.ID()
			_, err := w.Quote(t.Context(), &jaliv1.CohortServiceQuoteRequest{Agreement: g.Agreement, Purpose: g.Purpose, Key: id[:], By: "person.sex", Aggregate: "count", Error: "50"})
			return err
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before := refusals(t, g)
			err := test.do()
			var query *sdk.QueryError
			var other *sdk.GatewayError
			code, hint := "none", ""
			switch err := sdk.FromStatus(err); {
			case errors.As(err, &query):
				code, hint = query.Code, query.Hint
			case errors.As(err, &other):
				code, hint = other.Code, other.Hint
			}
			if code != test.code || hint == "" {
				t.Errorf("got %s (hint %q): %v; want %s", code, hint, err, test.code)
			}
			if n := refusals(t, g) - before; n < 1 {
				t.Errorf("%d refusals on record", n)
			}
			if g.PID() != pid {
				t.Fatal("the gateway's process is another one")
			}
		})
	}

	// What is well-formed but encrypted under another key, or flipped and still in range, cannot be told from an honest upload. It is charged, and
	// gives its sender a number that has nothing to do with the data: plausible by chance below 10^-6.
	t.Run("garbage", func(t *testing.T) {
		nonce, body := w.make(t)
		_, foreign := other.make(t)
		copy(body[32:], foreign[32:])
		reply, err := send(w, nonce, body, sha256.Sum256(body))
		if err != nil {
			t.Fatal(sdk.FromStatus(err))
		}
		if len(reply) != p.ReplyBytes() {
			t.Errorf("a reply of %d bytes", len(reply))
		}
		if got, err := w.key.Decrypt(reply, []int64{5000}); !errors.Is(err, cohort.ErrImplausible) {
			t.Errorf("under another key: %v, %v", got, err)
		}
		honest()
	})
}

// chunked yields parts of b, at least one.
func chunked(b []byte, size int) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for {
			n := min(size, len(b))
			if !yield(b[:n]) || n == len(b) {
				return
			}
			b = b[n:]
		}
	}
}

// refusals counts them on the record.
func refusals(t *testing.T, g *Gateway) int {
	t.Helper()
	log, err := g.Check()
	if err != nil {
		t.Fatal(err)
	}
	return log.Count(audit.Refused)
}
