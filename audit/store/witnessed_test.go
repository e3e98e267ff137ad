package store

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"jali/audit"
)

// cosigned stands for a checkpoint with signature lines of witnesses: what counts here is the log's own signature.
func cosigned(t *testing.T, s *Store) ([]byte, audit.Checkpoint) {
	t.Helper()
	note, err := s.SealedCheckpoint()
	if err != nil {
		t.Fatal(err)
	}
	cp, err := s.signer.keys.OpenCheckpoint(note)
	if err != nil {
		t.Fatal(err)
	}
	return note, cp
}

func sizes(t *testing.T, cfg Config) (out []uint64) {
	t.Helper()
	db, err := openDB(cfg.Path, true, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.View(func(tx *bolt.Tx) error {
		return tx.Bucket(bCheck).ForEach(func(k, _ []byte) error { out = append(out, fromU64(k)); return nil })
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Bucket c keeps the latest checkpoint, the latest sealed one and one sealed per hour; w/<name> survives a restart.
func TestCosignedIsKept(t *testing.T) {
	cfg := newDir(t)
	now := time.Date(2027, 1, 1, 10, 0, 0, 0, time.UTC)
	cfg.Now = func() time.Time { return now }
	s := open(t, cfg)
	setup(t, s, 1e9, 1e9) // 7 entries with genesis and start
	beat := func() {
		t.Helper()
		if _, err := s.Append(t.Context(), Item{Kind: audit.Heartbeat}); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := s.CosignedCheckpoint(); got != nil || err != nil {
		t.Errorf("cosigned before any witness: %q, %v", got, err)
	}
	var at []uint64
	var latest []byte
	isLatest := func(when string) {
		t.Helper()
		if got, err := s.CosignedCheckpoint(); err != nil || !bytes.Equal(got, latest) {
			t.Errorf("%s: the cosigned checkpoint is %q (%v), want %q", when, got, err, latest)
		}
	}
	for i := range 4 { // 10:00, 10:20, 10:40, 11:00
		note, cp := cosigned(t, s)
		s.Cosigned(map[string]Witnessed{"w.court.example": {cp.Size, cp.Root}}, note, cp.Size)
		at = append(at, cp.Size)
		latest = note
		isLatest("before the next commit")
		beat()
		beat()
		isLatest("stored")
		if i < 3 {
			now = now.Add(20 * time.Minute)
		}
	}
	seen, err := s.Witnessed()
	if err != nil || seen["w.court.example"].Size != at[3] {
		t.Errorf("witnessed %v, %v", seen, err)
	}
	last := s.Size()
	closeAndVerify(t, s)
	if got, want := fmt.Sprint(sizes(t, cfg)), fmt.Sprint([]uint64{at[2], at[3], last}); got != want {
		t.Errorf("checkpoints of %s kept, want %s", got, want)
	}
	s = open(t, cfg)
	if seen, err := s.Witnessed(); err != nil || seen["w.court.example"].Size != at[3] {
		t.Errorf("after a restart: %v, %v", seen, err)
	}
	isLatest("after a restart")
	closeAndVerify(t, s)
	if rep := verified(t, cfg); rep.Cosigned == nil || rep.Cosigned.Size != at[3] {
		t.Errorf("verify reports the cosigned checkpoint %v, want that of %d entries", rep.Cosigned, at[3])
	}
}

// Admit sees the checked log before anything is appended, and its refusal leaves the log as it was.
func TestAdmit(t *testing.T) {
	cfg := newDir(t)
	s := open(t, cfg)
	setup(t, s, 1e9, 1e9)
	size := s.Size()
	closeAndVerify(t, s)
	refused := errors.New("refused")
	bad := cfg
	bad.Admit = func(s *Store) error {
		if _, cp := cosigned(t, s); cp.Size != size {
			t.Errorf("admitted at %d, want %d", cp.Size, size)
		}
		return refused
	}
	if _, err := Open(bad); !errors.Is(err, refused) {
		t.Fatal(err)
	}
	if rep := verified(t, cfg); rep.Size != size {
		t.Errorf("%d entries after a refused start, want %d", rep.Size, size)
	}
	s = open(t, cfg)
	s.Halt()
	if _, err := s.Append(t.Context(), Item{Kind: audit.Heartbeat}); !errors.Is(err, ErrStopped) {
		t.Errorf("append after halt: %v", err)
	}
	closeAndVerify(t, s)
}

// A witness state that does not lie on the tree is damage: start and verification refuse it.
func TestWitnessedElsewhere(t *testing.T) {
	for name, w := range map[string]Witnessed{"other root": {5, [32]byte{1}}, "beyond the end": {500, [32]byte{1}}} {
		t.Run(name, func(t *testing.T) {
			cfg := newDir(t)
			s := open(t, cfg)
			setup(t, s, 1e9, 1e9)
			s.Cosigned(map[string]Witnessed{"w": w}, nil, 0)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(cfg); !errors.Is(err, ErrDamaged) {
				t.Errorf("open: %v", err)
			}
			if _, err := Verify(VerifyConfig{Config: cfg}); !errors.Is(err, ErrDamaged) {
				t.Errorf("verify: %v", err)
			}
		})
	}
}

// A receipt under an earlier, cosigned checkpoint verifies; one older than the release is refused.
func TestReceiptUnder(t *testing.T) {
	cfg := newDir(t)
	s := open(t, cfg)
	setup(t, s, 1e9, 1e9)
	a, err := s.Append(t.Context(), intent(1000))
	if err != nil {
		t.Fatal(err)
	}
	early, _ := cosigned(t, s)
	r, err := s.Append(t.Context(), release(a.Seq, []byte("42")))
	if err != nil {
		t.Fatal(err)
	}
	note, cp := cosigned(t, s)
	for range 5 {
		if _, err := s.Append(t.Context(), Item{Kind: audit.Heartbeat}); err != nil {
			t.Fatal(err)
		}
	}
	receipt, err := s.ReceiptUnder(note, a.Seq, r.Seq)
	if err != nil {
		t.Fatal(err)
	}
	text, err := audit.FormatReceipt(receipt)
	if err != nil {
		t.Fatal(err)
	}
	rep, err := audit.VerifyReceipt(text, []byte("42"), s.VKeys(), s.Origin())
	if err != nil || rep.Size != cp.Size {
		t.Errorf("size %d, %v, want %d", rep.Size, err, cp.Size)
	}
	if _, err := s.ReceiptUnder(early, a.Seq, r.Seq); !errors.Is(err, ErrNoEntry) {
		t.Errorf("under a checkpoint before the release: %v", err)
	}
	closeAndVerify(t, s)
}
