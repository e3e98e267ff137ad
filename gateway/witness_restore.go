package gateway

import (
	"context"
	"errors"
	"fmt"

	"jali/audit"
	"jali/audit/store"
	"jali/audit/witness"
)

// RestoreConfig says what an old copy of the audit log is brought up to date with.
type RestoreConfig struct {
	// Entries returns header lines from a number on, of an export or mirror that somebody else kept.
	Entries func(from uint64) ([][]byte, error)
	// Approver and Order go on record with the range of entries whose details are lost.
	Approver, Order string
}

// ErrRestore: the log cannot be restored this way.
var ErrRestore = errors.New("the audit log cannot be restored")

// Restore brings the audit log of a stopped gateway, put back from an old copy, up to what witnesses have cosigned: section 8a
// of the specification. The missing headers come from outside; the checkpoint they must give is the largest that any
// witness of seal.policy has cosigned: even one of them would refuse a log that stops before it. Ledgers follow the headers, so no budget returns. ADMIN act=restore records it.
func Restore(ctx context.Context, cfg Config, from RestoreConfig) (store.Rebuilt, error) {
	w, err := loadWitnesses(Layout(cfg.Dir), cfg)
	if err != nil {
		return store.Rebuilt{}, err
	}
	if w.seal == nil {
		return store.Rebuilt{}, fmt.Errorf("%w: no seal.policy names witnesses that could say how far the log had come", ErrRestore)
	}
	cp, err := w.latest(ctx)
	if err != nil {
		return store.Rebuilt{}, err
	}
	rebuilt, err := store.Rebuild(w.layout.Log(), store.Headers{Size: cp.Size, Root: cp.Root, Entries: from.Entries})
	if err != nil {
		return store.Rebuilt{}, err
	}
	c := w.layout.Log()
	c.Now, c.Logger, c.Admit = cfg.Now, cfg.Operator, w.admit
	c.StartDetails = []audit.Detail{{Name: "actor", Value: from.Approver}, {Name: "what", Value: from.Order}}
	log, err := store.Open(c)
	if err != nil {
		return rebuilt, fmt.Errorf("open the restored log: %w", err)
	}
	return rebuilt, log.Close()
}

// latest is the largest checkpoint signed by the log and cosigned by a witness of seal.policy.
func (w *witnesses) latest(ctx context.Context) (audit.Checkpoint, error) {
	keys, err := store.ReadKeys(w.layout.Log()) // the copy's journal may be lost
	if err != nil {
		return audit.Checkpoint{}, err
	}
	var best audit.Checkpoint
	for _, p := range witness.Peers(w.seal) {
		text, err := w.client.Latest(ctx, p, keys.Origin)
		if err != nil {
			w.operator.Error("witness does not tell its checkpoint", "witness", p.Name, "cause", err)
			continue
		}
		cp, err := keys.OpenCheckpoint(text)
		if err != nil {
			w.operator.Error("witness tells a checkpoint that the log has not signed", "witness", p.Name, "cause", err)
			continue
		}
		if cp.Size > best.Size && len(w.seal.Cosignatures(text)) > 0 {
			best = cp
		}
	}
	if best.Note == nil {
		return best, fmt.Errorf("%w: no witness told a checkpoint that it has cosigned", ErrRestore)
	}
	return best, nil
}
