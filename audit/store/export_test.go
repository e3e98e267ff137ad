package store

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	bolt "go.etcd.io/bbolt"

	"jali/audit"
	"jali/audit/export"
)

// An export verifies with our verifier and with the independent one in its own VERIFY.md; with any header, tile, bundle,
// disclosure, key or signature changed, it verifies with neither (the independent one reads headers and checkpoint only).
func TestExport(t *testing.T) {
	cfg := sampleLog(t)
	s := open(t, cfg)
	var wg sync.WaitGroup
	for range 260 { // more than one tile
		wg.Go(func() {
			if _, err := s.Append(t.Context(), Item{Kind: audit.Heartbeat}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	dir := filepath.Join(t.TempDir(), "out")
	seq, digest, err := s.Export(t.Context(), dir, export.Regulator)
	if err != nil {
		t.Fatal(err)
	}
	line, err := s.Entry(seq)
	if err != nil {
		t.Fatal(err)
	}
	if e, err := audit.ParseEntry(line); err != nil || e.Kind != audit.Export || e.Text("dig") != digest || uint64(e.Int("b")) != seq-1 {
		t.Errorf("entry %s", line)
	}
	if _, _, err := s.Export(t.Context(), dir, export.Regulator); !errors.Is(err, export.ErrExists) {
		t.Errorf("over an export: %v", err)
	}
	if _, _, err := s.Export(t.Context(), dir+"2", "everybody"); !errors.Is(err, export.ErrAudience) {
		t.Errorf("audience: %v", err)
	}
	keys, err := audit.ParseKeys(s.VKeys())
	if err != nil {
		t.Fatal(err)
	}
	closeAndVerify(t, s)
	rep, err := export.Verify(dir, keys)
	if err != nil {
		t.Fatal(err)
	}
	if rep.Size != seq || rep.Details == 0 || rep.Audience != export.Regulator || len(rep.SignedBy) != 2 {
		t.Errorf("%+v", rep)
	}
	python(t, dir, "")

	entries := readFile(t, dir, "entries.jsonl")
	for name, c := range map[string]struct {
		file string
		edit func(b []byte) []byte
		seq  int64
		py   string // what the independent verifier says; empty: it does not read this
	}{
		"header":           {"entries.jsonl", func(b []byte) []byte { return bytes.Replace(b, []byte(`"why":"budget"`), []byte(`"why":"policy"`), 1) }, 13, "entry 14: prev"},
		"last header":      {"entries.jsonl", func(b []byte) []byte { b[bytes.LastIndex(b, []byte(`"open":`))+7] ^= 1; return b }, int64(seq) - 1, "root"},
		"header deleted":   {"entries.jsonl", func(b []byte) []byte { i := bytes.IndexByte(b, '\n'); return b[i+1:] }, 0, "entry 0: seq"},
		"end cut":          {"entries.jsonl", func(b []byte) []byte { return b[:bytes.LastIndexByte(b[:len(b)-1], '\n')+1] }, int64(seq) - 1, "signed size"},
		"line added":       {"entries.jsonl", func(b []byte) []byte { return append(b, "x\n"...) }, -1, ""},
		"tile":             {"tile/0/000", func(b []byte) []byte { b[32*7] ^= 1; return b }, 7, ""},
		"partial tile":     {"tile/1/000.p/1", func(b []byte) []byte { b[3] ^= 1; return b }, 255, ""},
		"bundle":           {"tile/entries/000", func(b []byte) []byte { b[100] ^= 1; return b }, 0, ""},
		"disclosure":       {"disclosures.regulator.jsonl", func(b []byte) []byte { b[30] ^= 1; return b }, 2, ""},
		"checkpoint root":  {"checkpoint", func(b []byte) []byte { i := bytes.IndexByte(b, '='); b[i-3] ^= 1; return b }, -1, "signature"},
		"checkpoint size":  {"checkpoint", func(b []byte) []byte { return bytes.Replace(b, []byte("\n27"), []byte("\n28"), 1) }, -1, "signature"},
		"signature":        {"checkpoint", func(b []byte) []byte { i := bytes.Index(b, []byte("\n\n")); b[i+70] ^= 1; return b }, -1, ""},
		"verifier key":     {"vkeys", func(b []byte) []byte { b[60] ^= 1; return b }, -1, ""},
		"file missing":     {"tile/entries/001.p/" + pWidth(seq), nil, int64(-1), ""},
		"checkpoint empty": {"checkpoint", func([]byte) []byte { return nil }, -1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			good := readFile(t, dir, c.file)
			path := filepath.Join(dir, c.file)
			if c.edit == nil {
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
			} else if err := os.WriteFile(path, c.edit(bytes.Clone(good)), 0o644); err != nil {
				t.Fatal(err)
			}
			_, err := export.Verify(dir, nil)
			if !errors.Is(err, export.ErrInvalid) {
				t.Errorf("%v, want ErrInvalid", err)
			}
			if c.seq >= 0 {
				blamed(t, err, uint64(c.seq), name)
			}
			if c.py != "" {
				python(t, dir, c.py)
			}
			if err := os.WriteFile(path, good, 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
	if !bytes.Equal(entries, readFile(t, dir, "entries.jsonl")) {
		t.Fatal("the test did not restore what it changed")
	}
	if _, err := export.Verify(dir, keys); err != nil {
		t.Fatal(err)
	}
}

func pWidth(size uint64) string {
	return strings.TrimPrefix(audit.TilePath("x", 0, int(size%256)), "x/000.p/")
}

func readFile(t *testing.T, dir, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// python runs the program of VERIFY.md in the export; fails names what it must complain of.
func python(t *testing.T, dir, fails string) {
	t.Helper()
	bin, err := exec.LookPath("python3")
	if err != nil {
		t.Log("python3 is not here: the independent verifier was not run")
		return
	}
	_, prog, ok := strings.Cut(string(readFile(t, dir, "VERIFY.md")), "```python\n")
	prog, _, ok2 := strings.Cut(prog, "```")
	if !ok || !ok2 {
		t.Fatal("VERIFY.md holds no program")
	}
	cmd := exec.Command(bin, "-c", prog)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if fails == "" && (err != nil || !strings.Contains(string(out), "are right")) {
		t.Errorf("VERIFY.md: %v\n%s", err, out)
	}
	if fails != "" && (err == nil || !strings.Contains(string(out), fails)) {
		t.Errorf("VERIFY.md: %v\n%s\nwant a complaint about %q", err, out, fails)
	}
}

// The headers alone go to the public, and no disclosure with them.
func TestExportForThePublic(t *testing.T) {
	s := open(t, sampleLog(t))
	dir := filepath.Join(t.TempDir(), "out")
	if _, _, err := s.Export(t.Context(), dir, export.Public); err != nil {
		t.Fatal(err)
	}
	rep, err := export.Verify(dir, nil)
	if err != nil || rep.Audience != export.Public || rep.Details != 0 {
		t.Errorf("%+v %v", rep, err)
	}
	if found, _ := filepath.Glob(filepath.Join(dir, "disclosures*")); len(found) > 0 {
		t.Errorf("found %v", found)
	}
	closeAndVerify(t, s)
}

// What cannot be verified is not exported, and nothing is left behind.
func TestExportOfADamagedLog(t *testing.T) {
	cfg := sampleLog(t)
	edit(t, cfg, func(tx *bolt.Tx) error {
		v := bytes.Clone(tx.Bucket(bEntries).Get(u64(8)))
		v[20] ^= 1
		return tx.Bucket(bEntries).Put(u64(8), v)
	})
	r, err := OpenReader(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	parent := t.TempDir()
	if _, err := r.Export(filepath.Join(parent, "out"), export.Regulator); !errors.Is(err, export.ErrInvalid) {
		t.Errorf("%v, want ErrInvalid", err)
	}
	if left, _ := os.ReadDir(parent); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
