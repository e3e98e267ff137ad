package gateway

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"jali/audit"
	"jali/audit/store"
	"jali/audit/witness"
)

// round submits the latest checkpoint to every witness and takes in what they say. It returns the size submitted. An error is
// ErrRollback or ErrFork, with the evidence written, or a failure of the store.
func (w *witnesses) round(ctx context.Context, s *store.Store) (uint64, error) {
	note, err := s.SealedCheckpoint()
	if err != nil {
		return 0, err
	}
	keys, err := audit.ParseKeys(s.VKeys())
	if err != nil {
		return 0, err
	}
	cp, err := keys.OpenCheckpoint(note)
	if err != nil {
		return 0, err
	}
	seen, err := s.Witnessed()
	if err != nil {
		return 0, err
	}
	log := witness.Log{
		Checkpoint: note, Size: cp.Size, Seen: map[string]uint64{},
		Prove: func(old uint64) ([][32]byte, error) { return audit.ProveConsistency(old, cp.Size, s.TileReader()) },
	}
	for name, at := range seen {
		log.Seen[name] = at.Size
	}
	results := w.client.Ask(ctx, w.peers, log)
	if ctx.Err() != nil {
		return 0, nil // stopping: silence is not the witnesses'
	}
	for i := range results {
		switch r := &results[i]; r.Verdict {
		case witness.Rollback:
			return 0, w.evidence(ctx, r, log, keys.Origin, ErrRollback)
		case witness.Fork:
			return 0, w.evidence(ctx, r, log, keys.Origin, ErrFork)
		}
	}
	full, agreed := w.collect(note, results)
	states := map[string]store.Witnessed{}
	for _, name := range agreed {
		states[name] = store.Witnessed{Size: cp.Size, Root: cp.Root}
	}
	var sealed []byte
	if w.seal != nil && w.seal.Satisfied(full) {
		sealed = full
	}
	s.Cosigned(states, sealed, cp.Size)
	w.settle(full, cp.Size, results)
	return cp.Size, nil
}

// collect adds the valid cosignatures of all answers to the checkpoint. A witness that says 200 without one has not answered.
func (w *witnesses) collect(note []byte, results []witness.Result) (full []byte, agreed []string) {
	full = note
	for i := range results {
		r := &results[i]
		if r.Verdict != witness.Cosigned {
			continue
		}
		valid := false
		for _, q := range []*audit.Quorum{w.seal, w.l2} {
			if q == nil {
				continue
			}
			// Checked on the bare checkpoint: a line may have been added for the other quorum already.
			_, on := q.Cosign(note, r.Lines)
			valid = valid || len(on) > 0
			full, _ = q.Cosign(full, r.Lines)
		}
		if !valid {
			r.Verdict, r.Err = witness.NoAnswer, fmt.Errorf("no valid cosignature of a key that the quorum files name")
			continue
		}
		agreed = append(agreed, r.Peer.Name)
	}
	return full, agreed
}

// settle compares the round with the one before and wakes who waits for cosignatures.
func (w *witnesses) settle(full []byte, size uint64, results []witness.Result) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range results {
		before := w.verdicts[r.Peer.Name]
		w.verdicts[r.Peer.Name] = r.Verdict
		if r.Verdict == witness.Cosigned {
			w.answered[r.Peer.Name] = cosignedAt{size, w.now()}
		}
		if before == r.Verdict {
			continue
		}
		switch r.Verdict {
		case witness.Cosigned:
			w.operator.Info("witness cosigns", "witness", r.Peer.Name)
		case witness.Amnesia:
			w.operator.Error("ALARM: the witness has lost state; it does not count until its operator has explained", "witness", r.Peer.Name, "its size", r.Size)
			w.events = append(w.events, event("amnesia", r.Peer.Name, r.Size))
		default:
			w.operator.Error("witness does not cosign", "witness", r.Peer.Name, "verdict", r.Verdict, "cause", r.Err)
		}
	}
	if w.seal != nil && w.seal.Satisfied(full) {
		w.sealed = cosigned{full, size}
	}
	if w.l2 != nil && w.l2.Satisfied(full) {
		w.released = cosigned{full, size}
	}
	met := w.required().Satisfied(full)
	if met {
		w.met = w.now()
	}
	if met == w.lost {
		ev := "quorum-lost"
		if met {
			ev = "quorum-back"
		}
		w.operator.Warn("witness quorum changed", "event", ev)
		w.events = append(w.events, event(ev, "quorum", size))
		w.lost = !met
	}
	close(w.changed)
	w.changed = make(chan struct{})
}

func event(ev, name string, size uint64) store.Item {
	return store.Item{Kind: audit.Witness, Fields: audit.Object{"ev": ev, "w": name, "size": size}}
}

// evidence writes what shows that the log here and the one a witness has cosigned contradict each other: both signed
// checkpoints, where the witness offers its own, and our proof. The files are for people; nothing reads them.
func (w *witnesses) evidence(ctx context.Context, r *witness.Result, log witness.Log, origin string, what error) error {
	err := fmt.Errorf("%w: witness %s holds %d entries, here are %d", what, r.Peer.Name, r.Size, log.Size)
	if what == ErrFork {
		err = fmt.Errorf("%w: witness %s, which holds %d entries", what, r.Peer.Name, r.Size)
	}
	name := strings.Map(func(c rune) rune {
		if c == '/' || c == ':' {
			return '_'
		}
		return c
	}, r.Peer.Name)
	dir := filepath.Join(w.layout.Evidence(), w.now().UTC().Format("20060102T150405Z")+"-"+name)
	files := map[string][]byte{"ours": log.Checkpoint, "verdict": fmt.Appendf(nil, "%s\n%v\nwitness %s at %s\n", w.now().UTC().Format(time.RFC3339), err, r.Peer.Name, r.Peer.URL)}
	if theirs, e := w.client.Latest(ctx, r.Peer, origin); e == nil {
		files["theirs"] = theirs
	}
	if r.Size > 0 && r.Size < log.Size {
		if path, e := log.Prove(r.Size); e == nil {
			files["our-proof"] = witness.Request{Old: r.Size, Proof: path, Checkpoint: log.Checkpoint}.Format()
		}
	}
	if e := os.MkdirAll(dir, 0o700); e != nil {
		w.operator.Error("evidence not written", "err", e)
		return err
	}
	for name, b := range files {
		if e := writeSynced(filepath.Join(dir, name), b); e != nil {
			w.operator.Error("evidence not written", "err", e)
		}
	}
	return fmt.Errorf("%w; evidence in %s", err, dir)
}
