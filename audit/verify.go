package audit

import (
	"fmt"
	"time"
)

// Report says what VerifyReceipt has checked. Only what it states was checked.
type Report struct {
	Origin   string
	Intent   Entry
	Release  Entry
	Size     uint64    // of the checkpoint
	Root     [32]byte  // of the checkpoint
	SignedBy []string  // algorithms of the log's valid signatures
	Signed   time.Time // the log's own statement; zero if it made none
	// Sealed: enough witnesses of the quorum given cosigned both checkpoints, and the log signed them with both keys. Always
	// false without a quorum to judge by.
	Sealed bool
	// Policy is the digest of the seal policy that the receipt names; "" while the log is unwitnessed.
	Policy       string
	Cosignatures []Cosignature // valid ones of the quorum's keys on the larger checkpoint
	// ResultChecked: the result bytes given are those that were recorded.
	ResultChecked bool
	Details       map[uint64][]Detail // disclosed and matching, by entry
	Checks        []string            // in words, in the order they were made
}

// VerifyReceipt checks a receipt without judging cosignatures: the report says unsealed. See VerifySealedReceipt.
func VerifyReceipt(receipt, result []byte, logVKeys []string, origin string) (Report, error) {
	return VerifySealedReceipt(receipt, result, logVKeys, origin, nil)
}

// VerifySealedReceipt checks a receipt offline, in the order of audit-log.md section 9. logVKeys are the log's verifier keys;
// origin is the log expected, or "" for the one the keys name. result is the released bytes; nil leaves them unchecked, and
// the report says so. seal is the reader's own copy of the log's seal policy: it decides whether the receipt counts as sealed,
// whatever policy the receipt names. An error means: do not rely on the answer.
func VerifySealedReceipt(receipt, result []byte, logVKeys []string, origin string, seal *Quorum) (Report, error) {
	keys, err := ParseKeys(logVKeys)
	if err != nil {
		return Report{}, fmt.Errorf("verify receipt: %w", err)
	}
	if origin != "" && origin != keys.Origin {
		return Report{}, fmt.Errorf("verify receipt: %w: the keys are of another log", ErrKeys)
	}
	r, err := ParseReceipt(receipt)
	if err != nil {
		return Report{}, fmt.Errorf("verify receipt: %w", err)
	}
	if seal != nil {
		if err := seal.CheckLog(keys); err != nil {
			return Report{}, fmt.Errorf("verify receipt: %w", err)
		}
	}
	rep := Report{Origin: keys.Origin, Policy: r.Policy, Details: map[uint64][]Detail{}}
	if err := rep.verify(r, result, keys, seal); err != nil {
		return Report{}, fmt.Errorf("verify receipt: %w", err)
	}
	return rep, nil
}

func (rep *Report) note(format string, args ...any) {
	rep.Checks = append(rep.Checks, fmt.Sprintf(format, args...))
}

func (rep *Report) verify(r Receipt, result []byte, keys *Keys, seal *Quorum) error {
	entries := []*Entry{&rep.Intent, &rep.Release}
	rep.Sealed = seal != nil
	for i, e := range entries {
		p, err := ParseProof([]byte(r.Proofs[i]))
		if err != nil {
			return err
		}
		cp, err := keys.OpenCheckpoint(p.Checkpoint)
		if err != nil {
			return err
		}
		if err := VerifyInclusion(LeafHash([]byte(r.Entries[i])), p.Index, cp.Size, p.Path, cp.Root); err != nil {
			return err
		}
		if *e, err = ParseEntry([]byte(r.Entries[i])); err != nil {
			return err
		}
		switch {
		case e.Seq != p.Index:
			return &EntryError{p.Index, "seq", ErrSeq}
		case e.Origin != keys.Origin:
			return &EntryError{e.Seq, "o", ErrOrigin}
		}
		if i == 0 || cp.Size >= rep.Size {
			rep.Size, rep.Root, rep.SignedBy, rep.Signed = cp.Size, cp.Root, cp.SignedBy, cp.Time
			if seal != nil {
				rep.Cosignatures = seal.Cosignatures(cp.Note)
			}
		}
		rep.Sealed = rep.Sealed && cp.Sealable() && seal.Satisfied(cp.Note)
		rep.note("entry %d stands in the log %s of %d entries, signed by the log with %v", e.Seq, cp.Origin, cp.Size, cp.SignedBy)
	}
	if err := rep.content(); err != nil {
		return err
	}
	if err := rep.disclosed(r, result); err != nil {
		return err
	}
	rep.sealing(seal)
	return nil
}

// content checks that the two entries are a charge and its release, and that the charge adds up.
func (rep *Report) content() error {
	for _, w := range []struct {
		e    Entry
		kind Kind
	}{{rep.Intent, Intent}, {rep.Release, Release}} {
		if w.e.Kind != w.kind {
			return &EntryError{w.e.Seq, "k", fmt.Errorf("%w: want %s", ErrReceipt, w.kind)}
		}
		var h header
		if field, err := h.parse(w.e.Line); err != nil {
			return &EntryError{w.e.Seq, field, err}
		}
		if field, err := checkKind(&h); err != nil {
			return &EntryError{w.e.Seq, field, err}
		}
	}
	if rep.Release.Ref == nil || *rep.Release.Ref != rep.Intent.Seq {
		return &EntryError{rep.Release.Seq, "ref", fmt.Errorf("%w: the release belongs to another intent", ErrRef)}
	}
	if rep.Release.Time < rep.Intent.Time {
		return &EntryError{rep.Release.Seq, "t", ErrTime}
	}
	for _, f := range [][2]string{{"ar", "r"}, {"ad", "d"}, {"pr", "r"}, {"pd", "d"}} {
		if rep.Intent.Part("bud1", f[0]) != rep.Intent.Part("bud0", f[0])+rep.Intent.Part("cost", f[1]) {
			return &EntryError{rep.Intent.Seq, "bud1", fmt.Errorf("%w: not bud0 + cost", ErrSpend)}
		}
	}
	rep.note("the release belongs to the intent, and the charge adds up: bud1 = bud0 + cost")
	return nil
}

// disclosed checks the researcher's details against the headers, and the result bytes against the recorded digest.
func (rep *Report) disclosed(r Receipt, result []byte) error {
	var recorded string
	seen := map[uint64]bool{}
	for _, ds := range r.Details {
		e := rep.Intent
		if ds.Seq == rep.Release.Seq {
			e = rep.Release
		}
		if ds.Seq != e.Seq || seen[ds.Seq] {
			return fmt.Errorf("%w: details of an entry that is not in it, or twice", ErrReceipt)
		}
		seen[ds.Seq] = true
		names := map[string]bool{}
		for _, d := range ds.D {
			det, err := VerifyDetail(e, d)
			if err != nil {
				return err
			}
			if names[det.Name] {
				return fmt.Errorf("%w: a detail twice", ErrReceipt)
			}
			names[det.Name] = true
			if e.Kind == Release && det.Name == "result" {
				recorded = det.Value
			}
			rep.Details[e.Seq] = append(rep.Details[e.Seq], det)
		}
		rep.note("%d details of entry %d match its header", len(ds.D), ds.Seq)
	}
	if result == nil {
		rep.note("result bytes: not given, not checked")
	} else {
		if recorded == "" {
			return fmt.Errorf("%w: the detail \"result\" is missing, so the result cannot be checked", ErrReceipt)
		}
		if err := CheckResult(recorded, result); err != nil {
			return &EntryError{rep.Release.Seq, "dtl.result", err}
		}
		rep.ResultChecked = true
		rep.note("the result bytes are those that were recorded before they left")
	}
	return nil
}

// sealing says in words whether witnesses vouch for the history of the log.
func (rep *Report) sealing(seal *Quorum) {
	if seal != nil && rep.Policy != "" && rep.Policy != seal.Digest {
		rep.note("the receipt names another seal policy than the one given; the one given decides")
	}
	for _, c := range rep.Cosignatures {
		rep.note("cosigned by witness %s with %s at %s, by its clock", c.Name, c.Algorithm, c.Time.Format(time.RFC3339))
	}
	switch {
	case rep.Sealed:
		rep.note("sealed: the quorum of witnesses is met; the log cannot take these entries back unnoticed")
	case seal == nil && rep.Policy != "":
		rep.note("unsealed (L1): the receipt names a seal policy, but none was given to judge cosignatures by")
	case seal == nil:
		rep.note("unsealed (L1), unwitnessed: no witness has cosigned; the log's operator alone vouches for its history")
	default:
		rep.note("unsealed (L1): the quorum of witnesses is not met; asking the same question again gives a newer receipt, free; or rely on the log's operator alone")
	}
}
