package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"

	"jali/audit"
)

// Keys of bucket s besides the head.
var (
	keyWitness = []byte("w/")     // + witness name -> u64be size last cosigned, root
	keyPlain   = []byte("latest") // u64be size of the one checkpoint in c that is there only until the next commit
	keySealed  = []byte("sealed") // u64be size of the latest checkpoint in c that met the seal policy, u64be unix time it was stored
)

// Witnessed is how far a witness has followed the log: the tree it cosigned last.
type Witnessed struct {
	Size uint64
	Root [32]byte
}

// witnessed is what the witness loop has learnt and no commit has stored yet. Losing it in a crash is harmless: the witness
// says at the next start how far it is, and a consistency proof from there shows that it is right.
type witnessed struct {
	seen   map[string]Witnessed
	sealed []byte
	size   uint64
}

// Cosigned keeps what witnesses have cosigned: by name how far each is, and, if the seal policy is met, the checkpoint with
// their signature lines (else nil). It is stored with the next commit, so that cosigning never causes one.
func (s *Store) Cosigned(seen map[string]Witnessed, sealed []byte, size uint64) {
	s.pendingMu.Lock()
	defer s.pendingMu.Unlock()
	if s.pending.seen == nil {
		s.pending.seen = map[string]Witnessed{}
	}
	maps.Copy(s.pending.seen, seen)
	if sealed != nil && size >= s.pending.size {
		s.pending.sealed, s.pending.size = bytes.Clone(sealed), size
	}
}

// CosignedCheckpoint is the latest checkpoint that met the seal policy, with the witnesses' lines, stored or not yet; nil if there
// is none.
func (s *Store) CosignedCheckpoint() (note []byte, err error) {
	s.pendingMu.Lock()
	note = bytes.Clone(s.pending.sealed)
	s.pendingMu.Unlock()
	if note != nil {
		return note, nil
	}
	if err := s.read(func(tx *bolt.Tx) error { note = lastCosigned(tx); return nil }); err != nil {
		return nil, fmt.Errorf("read cosigned checkpoint: %w", err)
	}
	return note, nil
}

// lastCosigned is a copy of the stored checkpoint that met the seal policy last; nil if there is none.
func lastCosigned(tx *bolt.Tx) []byte {
	at := tx.Bucket(bState).Get(keySealed)
	if len(at) != 16 {
		return nil
	}
	return bytes.Clone(tx.Bucket(bCheck).Get(at[:8]))
}

// Witnessed tells by name how far each witness has followed the log.
func (s *Store) Witnessed() (map[string]Witnessed, error) {
	out := map[string]Witnessed{}
	err := s.read(func(tx *bolt.Tx) error {
		return eachWitness(tx, func(name string, w Witnessed) error { out[name] = w; return nil })
	})
	if err != nil {
		return nil, fmt.Errorf("read witness states: %w", err)
	}
	s.pendingMu.Lock()
	defer s.pendingMu.Unlock()
	maps.Copy(out, s.pending.seen)
	return out, nil
}

// Halt refuses every further Append: the log turned out not to be the one that witnesses know, and nothing may be added to it.
// Items already submitted may still be written; nobody outside has seen them.
func (s *Store) Halt() {
	s.closing.Lock()
	s.closed = true
	s.closing.Unlock()
}

// admit is start step 5: the log has been checked, and before anything is appended Config.Admit may refuse it.
func (s *Store) admit() error {
	p := s.signer.published(s.tail.n, s.tail.tree.Root(), s.tail.t)
	s.state.Store(&p)
	if s.cfg.Admit == nil {
		return nil
	}
	return s.cfg.Admit(s)
}

func eachWitness(tx *bolt.Tx, visit func(string, Witnessed) error) error {
	c := tx.Bucket(bState).Cursor()
	for k, v := c.Seek(keyWitness); bytes.HasPrefix(k, keyWitness); k, v = c.Next() {
		if len(v) != 40 {
			return fmt.Errorf("%w: a witness state has %d bytes, want 40", ErrDamaged, len(v))
		}
		if err := visit(strings.TrimPrefix(string(k), string(keyWitness)), Witnessed{fromU64(v), [32]byte(v[8:])}); err != nil {
			return err
		}
	}
	return nil
}

// checkWitnessed checks that what witnesses have cosigned lies on this tree: part of start step 4.
func checkWitnessed(tx *bolt.Tx, n uint64, tiles audit.TileReader) error {
	return eachWitness(tx, func(name string, w Witnessed) error {
		if err := onTree(audit.Checkpoint{Size: w.Size, Root: w.Root}, n, tiles); err != nil {
			return fmt.Errorf("cosigned by %s: %w", name, err)
		}
		return nil
	})
}

// keepEvery is how far the checkpoint in bucket c may be behind in a log that grows without a pause: signing after every commit would
// cost a lone caller a sixth of its time. Whoever asks for a checkpoint gets the newest, whatever is stored.
const keepEvery = 100 * time.Millisecond

// keepCheckpoint stores the checkpoint of the commit before in place of the one before that, and what witnesses have cosigned
// meanwhile. Bucket c then holds: the latest, the latest that met the seal policy, and one such for each hour.
func (w *transaction) keepCheckpoint(always bool) error {
	w.keepWitnessed()
	// The first commit after a rebuild is the start that records it.
	if w.get(bState, keyRebuilt) != nil {
		w.delete(bState, keyRebuilt)
	}
	p := w.s.state.Load()
	if p == nil {
		return nil
	}
	if since := w.now - w.s.kept; !always && 0 <= since && since < keepEvery.Microseconds() {
		return nil
	}
	note, err := p.note()
	if err != nil {
		return err
	}
	w.s.kept = w.now
	key := u64(p.n)
	if old := w.get(bState, keyPlain); len(old) == 8 && !bytes.Equal(old, key) {
		w.delete(bCheck, old)
		w.delete(bState, keyPlain)
	}
	if sealed := w.get(bState, keySealed); len(sealed) == 16 && bytes.Equal(sealed[:8], key) {
		return nil // the same tree is there with cosignatures
	}
	w.set(bCheck, key, note)
	w.set(bState, keyPlain, key)
	return nil
}

func (w *transaction) keepWitnessed() {
	w.s.pendingMu.Lock()
	kept := w.s.pending
	w.s.pending = witnessed{}
	w.s.pendingMu.Unlock()
	for name, seen := range kept.seen {
		w.set(bState, append(bytes.Clone(keyWitness), name...), append(u64(seen.Size), seen.Root[:]...))
	}
	if kept.sealed == nil {
		return
	}
	now := w.s.cfg.Now()
	key := u64(kept.size)
	if old := w.get(bState, keySealed); len(old) == 16 && !bytes.Equal(old[:8], key) {
		if int64(fromU64(old[8:]))/3600 == now.Unix()/3600 {
			w.delete(bCheck, old[:8])
		}
	}
	if bytes.Equal(w.get(bState, keyPlain), key) {
		w.delete(bState, keyPlain)
	}
	w.set(bCheck, key, kept.sealed)
	w.set(bState, keySealed, binary.BigEndian.AppendUint64(key, uint64(now.Unix())))
}

// ReceiptUnder is Receipt with proofs that lead to a given signed checkpoint, one that witnesses have cosigned.
func (s *Store) ReceiptUnder(checkpoint []byte, intent, release uint64) (audit.Receipt, error) {
	cp, err := s.signer.keys.OpenCheckpoint(checkpoint)
	if err != nil {
		return audit.Receipt{}, fmt.Errorf("build receipt: %w", err)
	}
	if cp.Size <= max(intent, release) {
		return audit.Receipt{}, fmt.Errorf("build receipt: %w: the checkpoint is older than the entries", ErrNoEntry)
	}
	return s.receipt(intent, release, func() (out []string, err error) {
		for _, seq := range []uint64{intent, release} {
			path, err := audit.ProveInclusion(seq, cp.Size, s.TileReader())
			if err != nil {
				return nil, err
			}
			out = append(out, string(audit.FormatProof(seq, path, checkpoint)))
		}
		return out, nil
	})
}
