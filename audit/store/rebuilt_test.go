package store

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"jali/audit"
)

// rebuild writes other lines with every hash, tile and the head made right again, and no checkpoint: what root can do.
func rebuild(t testing.TB, cfg Config, change func(i int, line string) string) {
	t.Helper()
	s, err := loadSigner(cfg.Signer, nil)
	if err != nil {
		t.Fatal(err)
	}
	all := lines(t, cfg)
	edit(t, cfg, func(tx *bolt.Tx) error {
		tl := newTail()
		for i, line := range all {
			prev := audit.GenesisPrev(testOrigin, s.keys.VKeys, nil)
			if i > 0 {
				prev = tl.leaf
			}
			old, err := audit.ParseEntry(line)
			if err != nil {
				return err
			}
			l := []byte(strings.Replace(change(i, string(line)), old.Prev, audit.Digest(prev), 1))
			e, err := audit.ParseEntry(l)
			if err != nil {
				return err
			}
			tl.append(l, e.Time)
			if err := tx.Bucket(bEntries).Put(u64(uint64(i)), l); err != nil {
				return err
			}
		}
		if err := tx.DeleteBucket(bCheck); err != nil {
			return err
		}
		if _, err := tx.CreateBucket(bCheck); err != nil {
			return err
		}
		_, err := tl.flush(putIn(tx))
		return err
	})
}

// Rebuilt with all hashes right, what does not add up is still found. What does add up passes, as it must without a
// witness: the last case is the attack that only an outside memory of size and root catches.
func TestRebuiltLog(t *testing.T) {
	cfg := sampleLog(t)
	replace := func(at int, old, new string) func(int, string) string {
		return func(i int, l string) string {
			if i == at {
				if !strings.Contains(l, old) {
					t.Fatalf("entry %d has no %s", at, old)
				}
				return strings.Replace(l, old, new, 1)
			}
			return l
		}
	}
	for name, c := range map[string]struct {
		change func(int, string) string
		seq    int64
		field  string
	}{
		"bud1 lowered by one":  {replace(7, `"bud1":{"ad":0,"ar":100`, `"bud1":{"ad":0,"ar":99`), 7, "bud1"},
		"cost lowered by one":  {replace(9, `"cost":{"d":0,"r":100}`, `"cost":{"d":0,"r":99}`), 9, "bud1"},
		"clock set back":       {func(i int, l string) string { return setTime(t, i, l, 9) }, 9, "t"},
		"outcome moved":        {replace(8, `"ref":7`, `"ref":9`), 8, "ref"},
		"other policy":         {replace(7, `"pol":"pol-1"`, `"pol":"pol-2"`), 7, "pol"},
		"why of a refusal":     {replace(13, `"why":"budget"`, `"why":"mercy"`), 13, "why"},
		"purpose of agreement": {replace(4, `"pu":"epi-03"`, `"pu":"epi-04"`), -1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			bad := copied(t, cfg)
			rebuild(t, bad, c.change)
			_, err := Verify(VerifyConfig{Config: bad})
			if c.seq < 0 {
				if err != nil {
					t.Errorf("a consistent forgery must pass local verification, or this test forges badly: %v", err)
				}
				return
			}
			var at *audit.EntryError
			if !errors.As(err, &at) || at.Seq != uint64(c.seq) || at.Field != c.field {
				t.Errorf("%v, want entry %d field %s", err, c.seq, c.field)
			}
		})
	}
}

func setTime(t *testing.T, i int, line string, at int) string {
	if i != at {
		return line
	}
	e, err := audit.ParseEntry([]byte(line))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Replace(line, fmt.Sprintf(`"t":%d`, e.Time), fmt.Sprintf(`"t":%d`, e.Time-3600e6), 1)
}

// A tail that was cut, with head, tiles, ledgers and indexes made right, is found through the checkpoint in the file; only
// root, who can remove that too, needs a witness to be caught.
func TestTailCut(t *testing.T) {
	cfg := sampleLog(t)
	n := len(lines(t, cfg)) - 2 // a refusal and a replay: no ledger has changed since
	edit(t, cfg, func(tx *bolt.Tx) error {
		tl := newTail()
		e := tx.Bucket(bEntries)
		for i := range n {
			line := e.Get(u64(uint64(i)))
			entry, err := audit.ParseEntry(line)
			if err != nil {
				return err
			}
			tl.append(line, entry.Time)
		}
		for i := n; i < n+2; i++ {
			d := tx.Bucket(bDetails)
			for _, name := range []string{"actor", "query"} {
				if err := d.Delete(detailKey(uint64(i), name)); err != nil {
					return err
				}
			}
			if err := e.Delete(u64(uint64(i))); err != nil {
				return err
			}
		}
		_, err := tl.flush(putIn(tx))
		return err
	})
	if _, err := Verify(VerifyConfig{Config: cfg}); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "the end of the log is gone") {
		t.Errorf("verify: %v", err)
	}
	if _, err := Open(cfg); ExitCode(err) != ExitDamaged || !strings.Contains(err.Error(), "the end of the log is gone") {
		t.Errorf("open: %v", err)
	}
}

// Damaged tiles are rebuilt from the entries when these still give the recorded root.
func TestTilesAreRebuilt(t *testing.T) {
	cfg := sampleLog(t)
	edit(t, cfg, func(tx *bolt.Tx) error { return tx.Bucket(bTiles).Put(tileKey(0, 0), make([]byte, 32*15)) })
	if _, err := Verify(VerifyConfig{Config: cfg}); !errors.Is(err, ErrDamaged) {
		t.Fatalf("verify: %v", err)
	}
	s := open(t, cfg)
	if _, err := s.Append(t.Context(), intent(1)); err != nil {
		t.Fatal(err)
	}
	closeAndVerify(t, s)
}
