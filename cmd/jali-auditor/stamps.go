package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"time"

	"jali/audit"
	"jali/audit/timestamp"
)

// stamped is a TIMESTAMP entry as a record has it.
type stamped struct {
	seq, size uint64
	tsa, tok  string
	token     []byte // nil: withheld
	root      [32]byte
}

// stamps verifies the time stamps of a record under the authority's certificates given: each token must be of the checkpoint body
// that the entries themselves give at its size. The record is read twice, because an entry says only afterwards which size was
// stamped.
func (v *verification) stamps(ctx context.Context, f *finding) error {
	if v.tsa == "" {
		return nil
	}
	text, err := os.ReadFile(v.tsa)
	if err != nil {
		return usagef("check the path", "read certificates of time-stamping authorities: %w", err)
	}
	roots, err := timestamp.ReadRoots(text)
	if err != nil {
		return usagef("a PEM file with the certificates of the authority's roots", "%s: %w", v.tsa, err)
	}
	all, origin, err := v.findStamps(ctx)
	if err != nil {
		return err
	}
	var first, last timestamp.Stamp
	var good, withheld int
	var covered uint64
	for _, s := range all {
		if s.token == nil {
			withheld++
			continue
		}
		fail := func(field string, err error) error {
			return failedError{&audit.EntryError{Seq: s.seq, Field: field, Err: err}}
		}
		if audit.Digest(sha256.Sum256(s.token)) != s.tok {
			return fail("tok", errors.New("the token is not the one on record"))
		}
		stamp, err := timestamp.Verify(s.token, audit.CheckpointBody(origin, s.size, s.root), roots)
		if err != nil {
			return fail("token", err)
		}
		if good++; good == 1 {
			first = stamp
		}
		last, covered = stamp, s.size
	}
	if good > 0 {
		f.Checks = append(f.Checks, fmt.Sprintf("%d time stamps verify under the authorities given, from %s to %s; by the last, %s swears that the first %d entries existed at %s",
			good, first.Time.Format(time.RFC3339), last.Time.Format(time.RFC3339), last.Signer, covered, last.Time.Format(time.RFC3339)))
	} else {
		f.NotChecked = append(f.NotChecked, "time stamps: there are none to be read in this record")
	}
	if withheld > 0 {
		f.NotChecked = append(f.NotChecked, fmt.Sprintf("%d time stamps whose token is withheld from this reader", withheld))
	}
	return nil
}

// findStamps collects the TIMESTAMP entries of the source with the roots of the sizes they name.
func (v *verification) findStamps(ctx context.Context) ([]stamped, string, error) {
	var all []stamped
	var origin string
	at := map[uint64][]int{}
	for pass := range 2 {
		rec, err := v.openRecord(ctx, true)
		if err != nil {
			return nil, "", err
		}
		origin = rec.keys.Origin
		tree := audit.Ranges.NewEmptyRange(0)
		err = rec.walk(ctx, 0, func(e audit.Entry, disclosed []string) error {
			if pass == 0 {
				if e.Kind != audit.Timestamp {
					return nil
				}
				s := stamped{seq: e.Seq, size: uint64(e.Int("size")), tsa: e.Text("tsa"), tok: e.Text("tok")}
				for _, d := range disclosed {
					det, err := audit.VerifyDetail(e, d)
					if err != nil {
						return err
					}
					if det.Name == "token" {
						if s.token, err = base64.StdEncoding.DecodeString(det.Value); err != nil {
							return failedError{&audit.EntryError{Seq: e.Seq, Field: "token", Err: err}}
						}
					}
				}
				at[s.size] = append(at[s.size], len(all))
				all = append(all, s)
				return nil
			}
			leaf := audit.LeafHash(e.Line)
			if err := tree.Append(leaf[:], nil); err != nil {
				return err
			}
			for _, i := range at[tree.End()] {
				root, err := audit.RootOf(tree)
				if err != nil {
					return err
				}
				all[i].root = root
			}
			return nil
		})
		if err = errors.Join(err, rec.close()); err != nil || len(all) == 0 {
			return all, origin, err
		}
	}
	return all, origin, nil
}
