package store

import (
	"errors"
	"testing"
)

// A process that is killed after SHARDCLOSE is durable and before Close leaves a closed log without a checkpoint of its end. A start refuses it, and
// completes it: the next log can commit to what it keeps.
func TestShardKilledAfterItsClose(t *testing.T) {
	cfg, next := newDir(t), InDir(t.TempDir())
	s := open(t, cfg)
	setup(t, s, 1e9, 2e9)
	keys, err := CreateKey(next, nextOrigin)
	if err != nil {
		t.Fatal(err)
	}
	closing, err := s.CloseShard(t.Context(), keys, nil)
	if err != nil {
		t.Fatal(err)
	}
	killed := copied(t, cfg) // before Close
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := Open(killed); !errors.Is(err, ErrShardClosed) {
			t.Fatalf("open a closed shard: %v", err)
		}
		r, err := OpenReader(killed)
		if err != nil {
			t.Fatal(err)
		}
		cp, err := r.Keys().OpenCheckpoint(r.Checkpoint())
		if err != nil || cp.Size != closing.Seq+1 || !cp.Sealable() {
			t.Errorf("the checkpoint kept is of %d entries of %d, both signatures %v, %v", cp.Size, closing.Seq+1, cp.Sealable(), err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if rep, err := Verify(VerifyConfig{Config: killed}); err != nil || rep.Size != closing.Seq+1 {
		t.Errorf("%d entries, %v", rep.Size, err)
	}
}
