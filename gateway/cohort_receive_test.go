package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"jali/audit"
	"jali/gateway"
)

// reopen opens the office's gateway again with other limits.
func (a *asker) reopen(t *testing.T, limits gateway.EncryptedConfig) {
	t.Helper()
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	g, err := gateway.Open(context.Background(), gateway.Config{Dir: a.dir, Threads: 1, Operator: a.logger(), Encrypted: limits})
	if err != nil {
		t.Fatal(err)
	}
	a.Gateway = g
}

// broken counts the uploads on record that their callers left.
func (a *asker) broken(t *testing.T) (n int) {
	t.Helper()
	entries, _, err := a.Entries(t.Context(), clerk, 0, 1000, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		parsed, err := audit.ParseEntry(e.Header)
		if err != nil {
			t.Fatal(err)
		}
		if parsed.Kind == audit.Refused {
			n++
		}
	}
	return n
}

// Memory for one upload: the second caller is told the place, and is let in when the first is through, or does nothing for too long. What is left
// alone goes on record, whether it was only admitted, half-way, or whole.
func TestCohortAdmit(t *testing.T) {
	a := newAsker(t, encrypted())
	a.reopen(t, gateway.EncryptedConfig{UploadMemory: 300_000})
	gateway.SetUploadIdle(a.Gateway, 50*time.Millisecond)
	tests := []struct {
		name string
		left func(m made) error
	}{
		{"admitted", func(m made) error { return nil }},
		{"half-way", func(m made) error {
			_, _, err := a.UploadPart(t.Context(), a.who, m.nonce, 0, m.bytes[:1000])
			return err
		}},
		{"whole", func(m made) error {
			_, _, err := a.UploadPart(t.Context(), a.who, m.nonce, 0, m.bytes)
			return err
		}},
	}
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			one, two := a.make(t, a.request("count", "", "20"), nil, 0), a.make(t, a.request("count", "", "21"), nil, 1)
			if err := a.AdmitUpload(t.Context(), a.who, one.nonce, nil); err != nil {
				t.Fatal(err)
			}
			if err := test.left(one); err != nil {
				t.Fatal(err)
			}
			var told []int
			if err := a.AdmitUpload(t.Context(), a.who, two.nonce, func(ahead int, bytes int64) error {
				told = append(told, ahead)
				if bytes != int64(len(one.bytes)) {
					t.Errorf("%d bytes ahead", bytes)
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			if len(told) == 0 || told[0] != 1 {
				t.Errorf("told %v", told)
			}
			if n := a.broken(t); n != i+1 {
				t.Errorf("%d left uploads on record, want %d", n, i+1)
			}
			if err := a.send(t, two, two.bytes, false); err != nil {
				t.Error(err)
			}
			if err := a.send(t, one, one.bytes, false); err != nil {
				t.Errorf("its nonce is good still: %v", err)
			}
		})
	}
	// Who gives up waiting is told so, and has no place any more.
	gateway.SetUploadIdle(a.Gateway, time.Minute)
	one, two := a.make(t, a.request("count", "", "20"), nil, 0), a.make(t, a.request("count", "", "21"), nil, 1)
	if err := a.AdmitUpload(t.Context(), a.who, one.nonce, nil); err != nil {
		t.Fatal(err)
	}
	left := errors.New("left")
	if err := a.AdmitUpload(t.Context(), a.who, two.nonce, func(int, int64) error { return left }); refusal(t, err).Code != gateway.Unavailable {
		t.Errorf("gave up: %v", err)
	}
	if err := a.send(t, one, one.bytes, true); err != nil {
		t.Error(err)
	}
	if err := a.AdmitUpload(t.Context(), a.who, [32]byte{1}, nil); refusal(t, err).Code != gateway.NonceUnknown || refusal(t, err).Decision == 0 {
		t.Errorf("a nonce nobody issued: %v", err)
	}
}

// A caller who reconnects before the broken stream was noticed is not disturbed by it.
func TestCohortReconnect(t *testing.T) {
	a := newAsker(t, encrypted())
	m := a.make(t, a.request("count", "", "20"), nil, 0)
	first, err := a.BeginUpload(t.Context(), a.who, m.nonce)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.Write(m.bytes[:1000]); err != nil {
		t.Fatal(err)
	}
	second, err := a.BeginUpload(t.Context(), a.who, m.nonce)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := second.Write(m.bytes[:2000]); err != nil {
		t.Fatal(err)
	}
	if _, err := first.Write(m.bytes[1000:2000]); refusal(t, err).Code != gateway.UploadOffset {
		t.Errorf("the first goes on: %v", err)
	}
	if _, err := first.Close(); refusal(t, err).Code != gateway.UploadOffset {
		t.Errorf("the first ends: %v", err)
	}
	first.Abort()
	if _, err := second.Write(m.bytes[2000:]); err != nil {
		t.Fatal(err)
	}
	commit, err := second.Close()
	if err != nil {
		t.Fatal(err)
	}
	first.Abort()
	answer, err := a.Evaluate(t.Context(), a.who, m.nonce, commit)
	if err != nil || bytes.Equal(answer.Reply, nil) {
		t.Errorf("answer: %v", err)
	}
}
