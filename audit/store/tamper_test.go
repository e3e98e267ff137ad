package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"jali/audit"
)

// A log of a dozen entries: setup, three queries of which one failed, a refusal, a replay.
func sampleLog(t testing.TB) Config {
	t.Helper()
	cfg := newDir(t)
	s := open(t, cfg)
	setup(t, s, 1000, 2000)
	for i := range 3 {
		a, err := s.Append(t.Context(), intent(100))
		if err != nil {
			t.Fatal(err)
		}
		it := release(a.Seq, []byte(fmt.Sprintf(`{"n":%d}`, i)))
		if i == 1 {
			it = Item{Kind: audit.Failure, Ref: &a.Seq, Details: []audit.Detail{{Name: "cause", Value: "engine"}}}
		}
		if _, err := s.Append(t.Context(), it); err != nil {
			t.Fatal(err)
		}
	}
	if a, err := s.Append(t.Context(), intent(5000)); err != nil || a.Refused != "budget" {
		t.Fatalf("%+v %v", a, err)
	}
	ref := s.Size() - 3
	if _, err := s.Append(t.Context(), Item{Kind: audit.Replay, Ref: &ref}); err != nil {
		t.Fatal(err)
	}
	closeAndVerify(t, s)
	return cfg
}

// copied is a copy of a state directory.
func copied(t testing.TB, cfg Config) Config {
	t.Helper()
	to := InDir(t.TempDir())
	to.Fatal = cfg.Fatal
	for _, f := range [][2]string{{cfg.Path, to.Path}, {cfg.Keys, to.Keys}, {cfg.FileKey, to.FileKey}, {cfg.Signer, to.Signer}} {
		b, err := os.ReadFile(f[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f[1], b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for side := range 2 {
		b, err := os.ReadFile(cfg.journal(side))
		if errors.Is(err, fs.ErrNotExist) {
			continue // never opened
		}
		if err == nil {
			err = os.WriteFile(to.journal(side), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// edit changes audit.db as root would, and syncs nothing: the file is closed before it is read.
func edit(t testing.TB, cfg Config, f func(tx *bolt.Tx) error) {
	t.Helper()
	db, err := bolt.Open(cfg.Path, 0o600, &bolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Update(f); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func lines(t testing.TB, cfg Config) (out [][]byte) {
	t.Helper()
	db, err := openDB(cfg.Path, true, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.View(func(tx *bolt.Tx) error {
		return tx.Bucket(bEntries).ForEach(func(_, v []byte) error { out = append(out, bytes.Clone(v)); return nil })
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

func blamed(t *testing.T, err error, seq uint64, what string) {
	t.Helper()
	var at *audit.EntryError
	if !errors.As(err, &at) || at.Seq != seq {
		t.Errorf("%s: %v, want an error that names entry %d", what, err, seq)
	}
}

// Acceptance: every stored byte of every entry, changed alone, is found and its entry named.
func TestEveryByteOfEveryEntry(t *testing.T) {
	cfg := sampleLog(t)
	all := lines(t, cfg)
	step := 5
	if os.Getenv("JALI_LONG") != "" {
		step = 1
	}
	bad := copied(t, cfg)
	n := 0
	for i, line := range all {
		for at := i % step; at < len(line); at += step {
			n++
			mut := bytes.Clone(line)
			mut[at] ^= 1 << (n % 8)
			edit(t, bad, func(tx *bolt.Tx) error { return tx.Bucket(bEntries).Put(u64(uint64(i)), mut) })
			_, err := Verify(VerifyConfig{Config: bad})
			blamed(t, err, uint64(i), fmt.Sprintf("entry %d byte %d", i, at))
		}
		edit(t, bad, func(tx *bolt.Tx) error { return tx.Bucket(bEntries).Put(u64(uint64(i)), line) })
	}
	verified(t, bad)
	t.Logf("%d changed bytes in %d entries", n, len(all))
}

// The same in the raw file: bytes of the last entries' page, including its keys and page header. Whatever is read
// differently must be found; a changed header must name its entry.
func TestRawBytesOfTheFile(t *testing.T) {
	cfg := sampleLog(t)
	all := lines(t, cfg)
	file, err := os.ReadFile(cfg.Path)
	if err != nil {
		t.Fatal(err)
	}
	bad := copied(t, cfg)
	write := func(b []byte) {
		if err := os.WriteFile(bad.Path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for i := 0; i < len(all); i += 3 {
		// Every copy of the line in the file: old pages hold some that are not read any more.
		mut := bytes.Clone(file)
		found := 0
		for at := 0; ; found++ {
			j := bytes.Index(mut[at:], all[i])
			if j < 0 {
				break
			}
			mut[at+j+len(all[i])/2] ^= 1
			at += j + len(all[i])
		}
		if found == 0 {
			t.Fatalf("entry %d is not in the file", i)
		}
		write(mut)
		_, err := Verify(VerifyConfig{Config: bad})
		blamed(t, err, uint64(i), fmt.Sprintf("entry %d in the raw file", i))
	}
}

func TestTamperedContent(t *testing.T) {
	cfg := sampleLog(t)
	all := lines(t, cfg)
	last := uint64(len(all) - 1)
	swap := func(b *bolt.Bucket, i, j []byte) error {
		vi, vj := bytes.Clone(b.Get(i)), bytes.Clone(b.Get(j))
		if err := b.Put(i, vj); err != nil {
			return err
		}
		return b.Put(j, vi)
	}
	intentSeq := uint64(7)
	if e, err := audit.ParseEntry(all[intentSeq]); err != nil || e.Kind != audit.Intent {
		t.Fatalf("entry %d is %v", intentSeq, e.Kind)
	}
	flip := func(b *bolt.Bucket, key []byte, at int) error {
		v := bytes.Clone(b.Get(key))
		v[(at+len(v))%len(v)] ^= 1
		return b.Put(key, v)
	}
	for name, c := range map[string]struct {
		do    func(tx *bolt.Tx) error
		seq   int64 // entry that must be named; -1: the message names the bucket
		opens bool  // whether Open still accepts it: what a start does not re-read in full
	}{
		"entry deleted in the middle": {func(tx *bolt.Tx) error { return tx.Bucket(bEntries).Delete(u64(5)) }, 5, false},
		"entry deleted at the end":    {func(tx *bolt.Tx) error { return tx.Bucket(bEntries).Delete(u64(last)) }, int64(last), false},
		"entries swapped":             {func(tx *bolt.Tx) error { return swap(tx.Bucket(bEntries), u64(8), u64(9)) }, 8, false},
		"entry duplicated":            {func(tx *bolt.Tx) error { return tx.Bucket(bEntries).Put(u64(last+1), all[last]) }, int64(last + 1), false},
		"entry under another number": {func(tx *bolt.Tx) error {
			if err := tx.Bucket(bEntries).Delete(u64(6)); err != nil {
				return err
			}
			return tx.Bucket(bEntries).Put(append(u64(6), 0), all[6])
		}, 6, false},
		"detail changed": {func(tx *bolt.Tx) error { return flip(tx.Bucket(bDetails), detailKey(intentSeq, "query"), -1) }, int64(intentSeq), true},
		"nonce changed":  {func(tx *bolt.Tx) error { return flip(tx.Bucket(bDetails), detailKey(intentSeq, "query"), 20) }, int64(intentSeq), true},
		"details swapped": {func(tx *bolt.Tx) error {
			return swap(tx.Bucket(bDetails), detailKey(intentSeq, "query"), detailKey(intentSeq, "plan"))
		}, int64(intentSeq), true},
		"detail of other entry": {func(tx *bolt.Tx) error {
			return swap(tx.Bucket(bDetails), detailKey(intentSeq, "query"), detailKey(intentSeq+2, "query"))
		}, int64(intentSeq), true},
		"detail deleted":    {func(tx *bolt.Tx) error { return tx.Bucket(bDetails).Delete(detailKey(intentSeq, "actor")) }, int64(intentSeq), true},
		"detail added":      {func(tx *bolt.Tx) error { return tx.Bucket(bDetails).Put(detailKey(intentSeq, "zz"), []byte("x")) }, int64(intentSeq), true},
		"head root flipped": {func(tx *bolt.Tx) error { return flip(tx.Bucket(bState), keyHead, 50) }, -1, false},
		"head leaf flipped": {func(tx *bolt.Tx) error { return flip(tx.Bucket(bState), keyHead, 10) }, -1, false},
		"head time flipped": {func(tx *bolt.Tx) error { return flip(tx.Bucket(bState), keyHead, -1) }, -1, false},
		"tile hash flipped": {func(tx *bolt.Tx) error { return flip(tx.Bucket(bTiles), tileKey(0, 0), 32*3) }, -1, true},
		"tile cut": {func(tx *bolt.Tx) error {
			b := tx.Bucket(bTiles)
			return b.Put(tileKey(0, 0), bytes.Clone(b.Get(tileKey(0, 0))[:63]))
		}, -1, true},
		"extra tile": {func(tx *bolt.Tx) error { return tx.Bucket(bTiles).Put(tileKey(3, 9), make([]byte, 32)) }, -1, true},
		"spend lowered": {func(tx *bolt.Tx) error {
			return tx.Bucket(bBudget).Put([]byte("ag/agr-1/insured"), ledger{audit.Amount{Rho: 299}, audit.Amount{Rho: 1000, Delta: 1000}, 11}.encode())
		}, 11, false},
		"ledger rolled back": {func(tx *bolt.Tx) error { // as it was after entry 9: a refund
			return tx.Bucket(bBudget).Put([]byte("ag/agr-1/insured"), ledger{audit.Amount{Rho: 200}, audit.Amount{Rho: 1000, Delta: 1000}, 9}.encode())
		}, 11, false},
		"cap raised": {func(tx *bolt.Tx) error {
			return tx.Bucket(bBudget).Put([]byte("pop/insured"), ledger{audit.Amount{Rho: 300}, audit.Amount{Rho: 99999, Delta: 1000}, 11}.encode())
		}, 11, true},
		"ledger deleted": {func(tx *bolt.Tx) error { return tx.Bucket(bBudget).Delete([]byte("pop/insured")) }, -1, false},
		"ledger added": {func(tx *bolt.Tx) error {
			return tx.Bucket(bBudget).Put([]byte("pop/other"), ledger{cap: audit.Amount{Rho: 5}, seq: 4}.encode())
		}, 4, false},
		"intent listed open":   {func(tx *bolt.Tx) error { return tx.Bucket(bOpen).Put(u64(intentSeq), nil) }, int64(intentSeq), true},
		"active policy edited": {func(tx *bolt.Tx) error { return tx.Bucket(bActive).Put([]byte("pol"), append(u64(2), "pol-9"...)) }, 2, false},
		"active policy gone":   {func(tx *bolt.Tx) error { return tx.Bucket(bActive).Delete([]byte("pol")) }, -1, true},
		"result changed":       {func(tx *bolt.Tx) error { return flip(tx.Bucket(bResults), u64(intentSeq), -1) }, int64(intentSeq), true},
		"results swapped":      {func(tx *bolt.Tx) error { return swap(tx.Bucket(bResults), u64(intentSeq), u64(11)) }, int64(intentSeq), true},
		"outcome index moved":  {func(tx *bolt.Tx) error { return tx.Bucket(bDerived).Put(outcomeKey(intentSeq), u64(10)) }, -1, true},
		"checkpoint changed": {func(tx *bolt.Tx) error {
			k, v := tx.Bucket(bCheck).Cursor().Last()
			return tx.Bucket(bCheck).Put(bytes.Clone(k), bytes.Replace(v, []byte("gw1"), []byte("gw2"), 1))
		}, -1, false},
		"checkpoint of another history": {func(tx *bolt.Tx) error {
			s, err := loadSigner(cfg.Signer, nil)
			if err != nil {
				return err
			}
			note, err := s.quick(3, [32]byte{1})
			if err != nil {
				return err
			}
			if k, _ := tx.Bucket(bCheck).Cursor().Last(); k != nil {
				if err := tx.Bucket(bCheck).Delete(k); err != nil {
					return err
				}
			}
			return tx.Bucket(bCheck).Put(u64(3), note)
		}, -1, false},
		"bucket gone":  {func(tx *bolt.Tx) error { return tx.DeleteBucket(bOpen) }, -1, false},
		"vkeys edited": {func(tx *bolt.Tx) error { return flip(tx.Bucket(bMeta), []byte("vkeys"), -3) }, -1, false},
	} {
		t.Run(name, func(t *testing.T) {
			bad := copied(t, cfg)
			edit(t, bad, c.do)
			_, err := Verify(VerifyConfig{Config: bad})
			if err == nil {
				t.Fatal("verified")
			}
			if c.seq >= 0 {
				blamed(t, err, uint64(c.seq), name)
			}
			s, err := Open(bad)
			if (err == nil) != c.opens {
				t.Errorf("Open: %v, want success %v", err, c.opens)
			}
			if err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrKeyFile) {
				t.Errorf("Open: %v, want ErrDamaged", err)
			}
			if err == nil {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// Keys destroyed without an ERASE on record are an alarm, not an erasure.
func TestKeysGoneWithoutErase(t *testing.T) {
	cfg := sampleLog(t)
	k, err := openKeyring(cfg, false)
	if err != nil {
		t.Fatal(err)
	}
	err = k.db.Update(func(tx *bolt.Tx) error {
		if err := tx.DeleteBucket(kDEKs); err != nil {
			return err
		}
		_, err := tx.CreateBucket(kDEKs)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := k.close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(VerifyConfig{Config: cfg}); err == nil || !strings.Contains(err.Error(), "no ERASE lists it") {
		t.Errorf("%v", err)
	}
}

// Somebody with the keys may seal another detail in the place of one; the salted digest in the header still finds it.
func TestDetailSealedAnew(t *testing.T) {
	cfg := sampleLog(t)
	k, err := openKeyring(cfg, false)
	if err != nil {
		t.Fatal(err)
	}
	d, err := k.dek("r-0042", "query", cfg.withDefaults().Now())
	if err != nil {
		t.Fatal(err)
	}
	forged, err := audit.SealDetail(audit.Detail{Name: "query", Value: "SELECT 1"})
	if err != nil {
		t.Fatal(err)
	}
	edit(t, cfg, func(tx *bolt.Tx) error {
		return tx.Bucket(bDetails).Put(detailKey(7, "query"), d.seal([]byte(forged), aad(testOrigin, 7, "query")))
	})
	if a, b := d.seal([]byte("x"), nil), d.seal([]byte("x"), nil); bytes.Equal(a[17:29], b[17:29]) {
		t.Error("two seals under one key share a nonce")
	}
	if err := k.close(); err != nil {
		t.Fatal(err)
	}
	_, err = Verify(VerifyConfig{Config: cfg})
	if blamed(t, err, 7, "sealed anew"); !errors.Is(err, audit.ErrDetailMismatch) {
		t.Errorf("%v, want ErrDetailMismatch", err)
	}
}

// Details lie encrypted: neither their values nor the subject's name are anywhere in the state directory.
func TestNothingReadableAtRest(t *testing.T) {
	cfg := sampleLog(t)
	files, err := filepath.Glob(filepath.Join(filepath.Dir(cfg.Path), "*"))
	if err != nil || len(files) < 5 {
		t.Fatalf("%v %v", files, err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{"r-0042", "SELECT COUNT", "FROM claims", "sigma 25", `{"n":0}`} {
			if bytes.Contains(b, []byte(secret)) {
				t.Errorf("%s holds %q", filepath.Base(f), secret)
			}
			if d, _ := audit.SealDetail(audit.Detail{Name: "x", Value: secret}); bytes.Contains(b, []byte(d[len(d)-12:])) {
				t.Errorf("%s holds an open disclosure of %q", filepath.Base(f), secret)
			}
		}
	}
}

// lastUsedPage is where the last page begins that is of the tree as last committed.
func lastUsedPage(t *testing.T, cfg Config) (at int) {
	t.Helper()
	db, err := openDB(cfg.Path, false, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.View(func(tx *bolt.Tx) error {
		for id := 0; ; id++ {
			switch p, err := tx.Page(id); {
			case err != nil || p == nil:
				return err
			case p.Type == "leaf" || p.Type == "branch":
				at = id * db.Info().PageSize
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	return at
}

// A file cut short is reported, never a crash of the verifier that says nothing.
func TestTruncatedFile(t *testing.T) {
	cfg := sampleLog(t)
	b, err := os.ReadFile(cfg.Path)
	if err != nil {
		t.Fatal(err)
	}
	used := len(bytes.TrimRight(b, "\x00"))
	for _, c := range []struct {
		keep int
		ok   bool // only free space was lost
	}{{0, false}, {1, false}, {4096, false}, {used / 2, false}, {lastUsedPage(t, cfg), false}, {(used/4096 + 1) * 4096, true}} {
		bad := copied(t, cfg)
		if err := os.WriteFile(bad.Path, b[:c.keep], 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Verify(VerifyConfig{Config: bad}); (err == nil) != c.ok {
			t.Errorf("%d of %d used bytes: %v, want success %v", c.keep, used, err, c.ok)
		}
	}
}
