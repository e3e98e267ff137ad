package gateway

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"jali/audit"
	"jali/audit/store"
)

// NextShard closes the log of a stopped gateway and goes on in a new origin: the yearly change. In order: the new keys are
// announced and SHARDCLOSE is durable; witnesses cosign it; the new log begins with every ledger as it was; the policy, the data
// versions and the agreements in force are registered in it again. Stored answers stay behind: a question of the old year is a
// new question, and charged. A crash is made good by running it again. It returns what could not be registered again.
func NextShard(ctx context.Context, cfg Config, origin, approver, order string) (left []string, err error) {
	layout := Layout(cfg.Dir)
	if err := finishShard(layout); err != nil {
		return nil, err
	}
	at, closed, err := place(layout)
	if err != nil {
		return nil, err
	}
	if at != origin {
		if err := checkKept(layout, at); err != nil {
			return nil, err
		}
		keys, err := PrepareShard(cfg, origin)
		if err != nil {
			return nil, err
		}
		if closed {
			err = completeShard(layout, cfg)
		} else {
			err = closeShard(ctx, cfg, keys, approver, order)
		}
		if err != nil {
			return nil, err
		}
		r, carry, err := readOld(layout, store.OpenReader)
		if err != nil {
			return nil, err
		}
		c := store.CreateConfig{Final: r.Checkpoint(), PSize: r.Size(), Why: "year", Carry: carry}
		cp, err := r.Keys().OpenCheckpoint(c.Final)
		if err = errors.Join(err, r.Close()); err != nil {
			return nil, err
		}
		if cp.Size != c.PSize || !cp.Sealable() {
			return nil, fmt.Errorf("%w: the closed log keeps no checkpoint of its end with both signatures", ErrShard)
		}
		if err := replaceLog(cfg, keys, c, at); err != nil {
			return nil, err
		}
		if err := startNew(cfg, approver, order); err != nil {
			return nil, err
		}
	}
	return registerAgain(ctx, cfg, approver)
}

// place says which log is there, and whether it is closed.
func place(layout Layout) (origin string, closed bool, err error) {
	r, err := store.OpenReader(layout.Log())
	if err != nil {
		return "", false, err
	}
	defer r.Close()
	last, err := r.Entries(r.Size()-1, 1)
	if err != nil || len(last) != 1 {
		return "", false, errors.Join(err, store.ErrNoEntry)
	}
	e, err := audit.ParseEntry(last[0])
	return r.Keys().Origin, err == nil && e.Kind == audit.ShardClose, err
}

// closeShard ends the old log and has its end cosigned. Without the quorum of l2.policy nothing is closed (admit asks first).
func closeShard(ctx context.Context, cfg Config, keys *audit.Keys, approver, order string) error {
	layout := Layout(cfg.Dir)
	w, err := loadWitnesses(layout, cfg)
	if err != nil {
		return err
	}
	log, err := openLog(layout, cfg, w.admit)
	if err != nil {
		return fmt.Errorf("close the log: %w", err)
	}
	_, err = log.CloseShard(ctx, keys, []audit.Detail{{Name: "actor", Value: approver}, {Name: "what", Value: order}})
	if err == nil && len(w.peers) > 0 {
		// The last checkpoint is the one thing of this log that the next one commits to: with cosignatures, where they can be had.
		if _, e := w.round(ctx, log); e != nil {
			err = e
		}
	}
	return errors.Join(err, log.Close())
}

// completeShard has a closed log keep the checkpoint of its end, should a crash have come before that: a start does it, and refuses then.
func completeShard(layout Layout, cfg Config) error {
	log, err := openLog(layout, cfg, nil)
	switch {
	case err == nil:
		return errors.Join(fmt.Errorf("%w: it is not closed", ErrShard), log.Close())
	case !errors.Is(err, store.ErrShardClosed):
		return fmt.Errorf("complete the closed log: %w", err)
	}
	return nil
}

// registerAgain brings what was in force in the log before, as it stands in the files kept, into force in this one.
func registerAgain(ctx context.Context, cfg Config, approver string) (left []string, err error) {
	layout := Layout(cfg.Dir)
	g, err := Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, g.Close()) }()
	before, _, ok := strings.Cut(string(g.log.Final()), "\n")
	if !ok {
		return nil, fmt.Errorf("%w: this log goes on from no other", ErrShard)
	}
	old, err := store.OpenReader(layout.Shard(shardName(before)).Log())
	if err != nil {
		return nil, err
	}
	defer old.Close()
	pins, err := old.Active()
	if err != nil {
		return nil, err
	}
	for _, kind := range []string{pinPolicy, pinDataset, pinAgreement} { // agreements may name data sets
		for _, pin := range pins {
			if !strings.HasPrefix(pin.Name, kind) {
				continue
			}
			if now, _, there := g.log.Active(pin.Name); there && now == pin.Value {
				continue // by an earlier run
			}
			if e := g.registerOne(ctx, kind, pin, old, approver); e != nil {
				left = append(left, fmt.Sprintf("%s: %v", pin.Name, e))
			}
		}
	}
	return left, nil
}

func (g *Gateway) registerOne(ctx context.Context, kind string, pin store.ActiveVersion, old *store.Reader, approver string) error {
	var err error
	switch kind {
	case pinPolicy:
		var bundle []byte
		if bundle, err = os.ReadFile(g.layout.Bundle(pin.Value)); err == nil {
			_, err = g.ActivatePolicy(ctx, bundle, approver)
		}
	case pinDataset:
		var manifest string
		if manifest, err = detailOf(old, pin.Seq, "manifest"); err == nil {
			_, err = g.ActivateDataset(ctx, strings.TrimPrefix(pin.Name, kind), []byte(manifest), approver)
		}
	case pinAgreement:
		var text string
		if text, err = detailOf(old, pin.Seq, "text"); err == nil {
			_, err = g.AddAgreement(ctx, []byte(text), approver)
		}
	}
	return err
}

// detailOf opens a detail of a log that is kept.
func detailOf(r *store.Reader, seq uint64, name string) (string, error) {
	ds, err := r.Details(seq)
	if err != nil {
		return "", err
	}
	for _, d := range ds {
		if _, n, value, err := audit.OpenDetail(d); err == nil && n == name {
			return value, nil
		}
	}
	return "", fmt.Errorf("entry %d of the log before has no detail %q: erased", seq, name)
}
