package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/transparency-dev/merkle/compact"

	"jali/audit"
	"jali/audit/export"
	"jali/audit/store"
	jaliv1 "jali/proto/jali/v1"
	"jali/sdk"
)

// record is a source with what its log has signed, and what the gateway claims besides.
type record struct {
	source
	name     string
	keys     *audit.Keys
	keysFrom string
	final    []byte            // last checkpoint of the log before
	signed   *audit.Checkpoint // nil: none is kept with these files
	audience string            // for which this source shows everything
	// claims is what the gateway holds its ledgers to be, and at which size of the log; nil: this source does not say.
	claims func(ctx context.Context) ([]store.Claim, uint64, error)
	// bundle is a policy bundle by the digest on record; nil: this source has none.
	bundle func(ctx context.Context, digest string) ([]byte, error)
}

// openRecord opens the source that the flags name.
func (a *app) openRecord(ctx context.Context, details bool) (*record, error) {
	kind, err := a.from.kind()
	if err != nil {
		return nil, err
	}
	switch kind {
	case fromDir:
		return a.stateRecord(details)
	case fromExport:
		return a.exportRecord(details)
	}
	return a.liveRecord(ctx, details)
}

func (a *app) stateRecord(details bool) (*record, error) {
	given, err := a.from.keys()
	if err != nil {
		return nil, err
	}
	r, err := store.OpenReader(a.from.state())
	if err != nil {
		return nil, err
	}
	rec := &record{source: &stateSource{r, details}, name: "state directory " + a.from.dir, keys: given, keysFrom: keysFrom(given, "the files")}
	if given == nil {
		rec.keys = r.Keys()
	}
	rec.final = r.Final()
	if r.CanOpenDetails() {
		rec.audience = export.Regulator
	}
	rec.claims = func(context.Context) ([]store.Claim, uint64, error) { return r.Claims() }
	rec.bundle = bundlesIn(filepath.Join(a.from.dir, "policy"))
	return rec, rec.sign(r.Checkpoint())
}

func (a *app) exportRecord(details bool) (*record, error) {
	given, err := a.from.keys()
	if err != nil {
		return nil, err
	}
	src, err := openExport(a.from.export, details)
	if err != nil {
		return nil, err
	}
	rec := &record{source: src, name: "export " + a.from.export, keys: given, keysFrom: keysFrom(given, "the export")}
	if given == nil {
		text, err := readEvidence(filepath.Join(a.from.export, "vkeys"))
		if err != nil {
			return nil, errors.Join(err, src.close())
		}
		if rec.keys, err = audit.ReadKeys(text); err != nil {
			return nil, errors.Join(fmt.Errorf("%w: %w", export.ErrInvalid, err), src.close())
		}
	}
	if path := filepath.Join(a.from.export, "final"); exists(path) {
		if rec.final, err = readEvidence(path); err != nil {
			return nil, errors.Join(err, src.close())
		}
	}
	note, err := readEvidence(filepath.Join(a.from.export, "checkpoint"))
	if err != nil {
		return nil, errors.Join(err, src.close())
	}
	return rec, rec.sign(note)
}

func (a *app) liveRecord(ctx context.Context, details bool) (*record, error) {
	s, err := a.from.dial(ctx, details)
	if err != nil {
		return nil, err
	}
	rec := &record{source: s, name: "gateway " + s.endpoint, keysFrom: keysFrom(s.given, "the gateway")}
	var cp audit.Checkpoint
	if rec.keys, cp, err = s.keysAndCheckpoint(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	rec.signed, rec.final, rec.audience = &cp, s.final, s.audience
	rec.claims = s.claims
	rec.bundle = func(ctx context.Context, digest string) ([]byte, error) {
		got, err := s.audits.GetBundle(ctx, &jaliv1.GetBundleRequest{Digest: digest})
		if err != nil {
			return nil, sdk.FromStatus(err)
		}
		return got.GetBundle(), nil
	}
	return rec, nil
}

// claims asks a serving gateway what it holds its ledgers to be.
func (s *liveSource) claims(ctx context.Context) ([]store.Claim, uint64, error) {
	got, err := s.audits.ListLedgers(ctx, &jaliv1.ListLedgersRequest{})
	if err != nil {
		return nil, 0, sdk.FromStatus(err)
	}
	var out []store.Claim
	for _, l := range got.GetLedgers() {
		out = append(out, store.Claim{
			LedgerKey: audit.LedgerKey{Agreement: l.GetAgreement(), Population: l.GetPopulation()}, Seq: l.GetSeq(),
			Spent: audit.Amount{Rho: l.GetSpentNanoRho(), Delta: l.GetSpentDelta()}, Cap: audit.Amount{Rho: l.GetCapNanoRho(), Delta: l.GetCapDelta()},
		})
	}
	return out, got.GetSize(), nil
}

// bundlesIn finds bundles in a directory under the name that the gateway gives them.
func bundlesIn(dir string) func(context.Context, string) ([]byte, error) {
	return func(_ context.Context, digest string) ([]byte, error) {
		if !filepath.IsLocal(digest + ".tar.gz") {
			return nil, fs.ErrNotExist
		}
		return os.ReadFile(filepath.Join(dir, digest+".tar.gz"))
	}
}

// sign verifies the checkpoint kept with files. Without one the record is unsigned, which reports say.
func (r *record) sign(note []byte) error {
	if len(note) == 0 {
		return nil
	}
	cp, err := r.keys.OpenCheckpoint(note)
	if err != nil {
		return errors.Join(err, r.close())
	}
	r.signed = &cp
	return nil
}

// walk visits the entries in order up to what is signed, and to atLeast if that is more. Each must be linked to the one
// before it, and all of them together give the root that the log has signed; but what they say is for visit to check.
func (r *record) walk(ctx context.Context, atLeast uint64, visit func(e audit.Entry, disclosed []string) error) error {
	size := atLeast
	if r.signed != nil {
		size = max(size, r.signed.Size)
	}
	prev := audit.GenesisPrev(r.keys.Origin, r.keys.VKeys, r.final)
	tree := audit.Ranges.NewEmptyRange(0)
	for tree.End() < size {
		page, err := r.page(ctx, tree.End())
		if err != nil {
			return err
		}
		if len(page) == 0 {
			return failedError{fmt.Errorf("%w: it ends at entry %d of %d", audit.ErrHistory, tree.End(), size)}
		}
		for _, in := range page[:min(uint64(len(page)), size-tree.End())] {
			e, err := audit.ParseEntry(in.line)
			if err != nil {
				return failedError{&audit.EntryError{Seq: in.seq, Err: err}}
			}
			if e.Seq != tree.End() {
				return failedError{&audit.EntryError{Seq: tree.End(), Field: "seq", Err: audit.ErrSeq}}
			}
			if e.Prev != audit.Digest(prev) {
				return failedError{&audit.EntryError{Seq: e.Seq, Field: "prev", Err: audit.ErrPrev}}
			}
			prev = audit.LeafHash(in.line)
			if err := tree.Append(append([]byte(nil), prev[:]...), nil); err != nil {
				return err
			}
			if err := visit(e, in.details); err != nil {
				return err
			}
			if err := r.rooted(tree); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *record) rooted(tree *compact.Range) error {
	if r.signed == nil || tree.End() != r.signed.Size {
		return nil
	}
	if root, err := audit.RootOf(tree); err != nil || root != r.signed.Root {
		return failedError{errors.New("the entries do not give the root that the log has signed")}
	}
	return nil
}

// signature says in words who vouches for the record.
func (r *record) signature() string {
	if r.signed == nil {
		return "the record carries no signed checkpoint"
	}
	return fmt.Sprintf("the %d entries give the root that the log %s has signed with %v, under %s", r.signed.Size, r.signed.Origin, r.signed.SignedBy, r.whose())
}

// whose says where the keys come from that everything rests on.
func (r *record) whose() string {
	if r.keysFrom == "given" {
		return "the keys given"
	}
	return "the keys of " + r.keysFrom
}
