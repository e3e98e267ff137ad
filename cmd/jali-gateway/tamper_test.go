package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"

	bolt "go.etcd.io/bbolt"

	"jali/audit"
	"jali/sdk"
	"jali/sdk/sdktest"
)

// Acceptance: the regulator's program, over the files of a real gateway, fails and names the entry when a stored byte of an
// entry is changed; through the database or in the file itself, in an export, and in a receipt. JALI_LONG takes every byte,
// without it one in step; audit/store tests every byte of every entry in process.
func TestAnyChangedByteIsFoundAndNamed(t *testing.T) {
	step := 64
	if os.Getenv("JALI_LONG") != "" {
		step = 1
	}
	g := sdktest.Start(t, nhefs(t, nil))
	answer, err := g.Researcher().Query(t.Context(), sdk.Query{SQL: "SELECT sex, COUNT(*) AS n FROM nhefs GROUP BY sex", Error: "20"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Researcher().Query(t.Context(), sdk.Query{SQL: "SELECT nothing", Error: "20"}); err == nil {
		t.Fatal("a wrong question was answered")
	}
	export := filepath.Join(g.Files, "export")
	g.Run("export", "--dir", g.Dir, "--out", export)
	log, err := g.Check()
	if err != nil {
		t.Fatal(err)
	}
	g.Stop()
	vkeys := filepath.Join(g.Dir, "vkeys")
	// One entry of each kind that carries a decision.
	chosen := map[uint64]audit.Kind{}
	for _, kind := range []audit.Kind{audit.Agreement, audit.Intent, audit.Release, audit.Refused} {
		for _, e := range log.Entries {
			if e.Kind == kind {
				chosen[e.Seq] = kind
				break
			}
		}
	}
	if len(chosen) != 4 {
		t.Fatalf("entries of %d of 4 kinds", len(chosen))
	}
	verify := func(args ...string) (int, string) {
		t.Helper()
		return auditor(t, append([]string{"verify", "--vkeys", vkeys}, args...)...)
	}
	if code, out := verify("--dir", g.Dir); code != 0 {
		t.Fatalf("the untouched log does not verify: %s", out)
	}
	if code, out := verify("--export", export); code != 0 {
		t.Fatalf("the untouched export does not verify: %s", out)
	}

	tried := 0
	caught := func(what string, seq uint64, at int, args ...string) {
		t.Helper()
		tried++
		code, out := verify(args...)
		if code != 6 || !strings.Contains(out, fmt.Sprintf("entry %d", seq)) {
			t.Errorf("%s: byte %d of entry %d (%s) changed: status %d: %s", what, at, seq, chosen[seq], code, out)
		}
	}
	db := filepath.Join(g.Dir, "audit.db")
	whole, err := os.ReadFile(db)
	if err != nil {
		t.Fatal(err)
	}
	for seq := range chosen {
		line, offset := stored(t, db, seq)
		for at := int(seq) % step; at < len(line); at += step {
			bit := byte(1 << (at % 8))
			// In the file, as anyone with write access can, with nothing else written.
			patch(t, db, offset+int64(at), line[at]^bit)
			caught("audit.db in place", seq, at, "--dir", g.Dir)
			patch(t, db, offset+int64(at), line[at])
			// Through the database, which moves pages and leaves the file well formed.
			mutant := bytes.Clone(line)
			mutant[at] ^= bit
			put(t, db, seq, mutant)
			caught("audit.db through bbolt", seq, at, "--dir", g.Dir)
			if err := os.WriteFile(db, whole, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if code, out := verify("--dir", g.Dir); code != 0 {
		t.Fatalf("the restored log does not verify: %s", out)
	}

	// The export's lines, and the tiles of entries beside them.
	entries := filepath.Join(export, "entries.jsonl")
	text, err := os.ReadFile(entries)
	if err != nil {
		t.Fatal(err)
	}
	for seq := range chosen {
		start := bytes.Index(text, log.Entries[seq].Line)
		if start < 0 {
			t.Fatalf("entry %d is not in the export as it is in the log", seq)
		}
		for at := int(seq) % step; at < len(log.Entries[seq].Line); at += step {
			patch(t, entries, int64(start+at), text[start+at]^1)
			caught("export", seq, at, "--export", export)
			patch(t, entries, int64(start+at), text[start+at])
		}
	}

	// The receipt: any byte at all. One exception is by design (audit-log.md, section 4): a signature that no longer names its
	// key is none of the log's, and a receipt may do with the other one; then the report must show one signature less.
	receipt, result := filepath.Join(g.Files, "receipt.json"), filepath.Join(g.Files, "result.json")
	for path, b := range map[string][]byte{receipt: answer.Receipt.Raw, result: answer.Raw} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const both = "[Ed25519 ML-DSA-44]"
	code, report := verify("--receipt", receipt, "--result", result)
	if code != 0 || !strings.Contains(report, both) {
		t.Fatalf("the untouched receipt does not verify: %s", report)
	}
	for path, b := range map[string][]byte{receipt: answer.Receipt.Raw, result: answer.Raw} {
		for at := 0; at < len(b); at += step {
			tried++
			patch(t, path, int64(at), b[at]^1)
			code, out := verify("--receipt", receipt, "--result", result)
			dropped := code == 0 && path == receipt && strings.Count(out, both) < strings.Count(report, both)
			if code != 6 && !dropped {
				t.Errorf("%s: byte %d (%q) changed: status %d: %s", filepath.Base(path), at, b[max(0, at-10):min(len(b), at+10)], code, out)
			}
			patch(t, path, int64(at), b[at])
		}
	}
	t.Logf("%d changes, each found", tried)
}

// auditor runs jali-auditor.
func auditor(t *testing.T, args ...string) (int, string) {
	t.Helper()
	return program(t, context.Background(), "jali-auditor", args...)
}

// program runs one of the programs and returns its exit status and both streams.
func program(t *testing.T, ctx context.Context, name string, args ...string) (int, string) {
	t.Helper()
	out, err := exec.CommandContext(ctx, filepath.Join(os.Getenv("JALI_BIN"), name), args...).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if exit != nil {
		return exit.ExitCode(), string(out)
	}
	return 0, string(out)
}

// stored returns an entry's line as it is stored, and where it lies in the file.
func stored(t *testing.T, path string, seq uint64) (line []byte, offset int64) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.View(func(tx *bolt.Tx) error {
		v := tx.Bucket([]byte("e")).Get([]byte{0, 0, 0, 0, 0, 0, byte(seq >> 8), byte(seq)})
		line = bytes.Clone(v)
		offset = int64(uintptr(unsafe.Pointer(unsafe.SliceData(v))) - db.Info().Data)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return line, offset
}

func put(t *testing.T, path string, seq uint64, line []byte) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, &bolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(func(tx *bolt.Tx) error {
		return tx.Bucket([]byte("e")).Put([]byte{0, 0, 0, 0, 0, 0, byte(seq >> 8), byte(seq)}, line)
	}), db.Close()); err != nil {
		t.Fatal(err)
	}
}

// patch writes one byte of a file.
func patch(t *testing.T, path string, offset int64, b byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt([]byte{b}, offset)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}
