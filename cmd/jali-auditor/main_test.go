package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	bolt "go.etcd.io/bbolt"

	"jali/audit"
	"jali/audit/store"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"jali-auditor": main})
}

// Scripts in testdata/script test the command on the files of stopped gateways, exports and receipts.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "makelog": makelog, "growlog": growlog, "alter": alter, "cut": cut, "held": held, "rebuild": rebuild,
		},
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("JALI_CONFIG", "")
			return nil
		},
	})
}

// exits runs a command and requires its exit status: exits 2 jali-auditor verify.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v: %v", args[1:], err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("%v: exit status %d, want %d", args[1:], got, want)
	}
}

// makelog DIR makes a state directory with a sample log, a receipt and its result.
func makelog(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o700))
	ts.Check(store.Create(store.CreateConfig{Config: store.InDir(dir), Origin: "audit.example.gov/gw1/2027"}))
	s, err := store.Open(store.InDir(dir))
	ts.Check(err)
	ts.Check(sampleLog(s, dir))
	ts.Check(s.Close())
}

// growlog DIR appends ten entries.
func growlog(ts *testscript.TestScript, _ bool, args []string) {
	s, err := store.Open(store.InDir(ts.MkAbs(args[0])))
	ts.Check(err)
	for range 10 {
		_, err := s.Append(context.Background(), store.Item{Kind: audit.Heartbeat})
		ts.Check(err)
	}
	ts.Check(s.Close())
}

// sampleLog is: genesis, start, policy, dataset, agreement, two budgets (0-6), two queries of which one failed (7-10), a
// refusal (11). It writes receipt.json and result.json.
func sampleLog(s *store.Store, dir string) error {
	ctx := context.Background()
	for _, it := range []store.Item{
		{Kind: audit.Policy, Fields: audit.Object{"pol": "pol-1", "rev": "1"}},
		{Kind: audit.Dataset, Fields: audit.Object{"ds": "health", "dsv": "dsv-1", "pop": "insured", "cls": "b", "lvl": 1, "st": "active"}},
		{Kind: audit.Agreement, Fields: audit.Object{"ag": "agr-1", "agv": 3, "st": "active", "pu": "epi-03"}},
		{Kind: audit.Budget, Budget: &store.SetBudget{Agreement: "agr-1", Population: "insured", Rho: 1_000_000}},
		{Kind: audit.Budget, Budget: &store.SetBudget{Population: "insured", Rho: 2_000_000}},
	} {
		if _, err := s.Append(ctx, it); err != nil {
			return err
		}
	}
	ask := func(rho int64) (store.Appended, error) {
		return s.Append(ctx, store.Item{
			Kind: audit.Intent, Subject: "r-0042", Class: "query",
			Fields:  audit.Object{"agv": 3, "ds": "health", "dsv": "dsv-1", "pu": "epi-03", "cls": "b", "pol": "pol-1", "mode": "sql"},
			Details: []audit.Detail{{Name: "actor", Value: "r-0042"}, {Name: "query", Value: "SELECT COUNT(*) FROM claims\x1b[31m"}},
			Charge:  &store.Charge{Agreement: "agr-1", Population: "insured", Rho: rho},
		})
	}
	result := []byte(`{"rows":[[42]]}`)
	first, err := ask(10_000)
	if err != nil {
		return err
	}
	rel, err := s.Append(ctx, store.Item{
		Kind: audit.Release, Ref: &first.Seq, Fields: audit.Object{"lvl": 1, "mech": "dgauss"}, Result: result, Subject: "r-0042", Class: "query",
		Details: []audit.Detail{audit.ResultDetail(result, "application/json"), {Name: "protect", Value: "sigma 25"}},
	})
	if err != nil {
		return err
	}
	second, err := ask(20_000)
	if err != nil {
		return err
	}
	if _, err := s.Append(ctx, store.Item{Kind: audit.Failure, Ref: &second.Seq, Details: []audit.Detail{{Name: "cause", Value: "engine"}}}); err != nil {
		return err
	}
	if a, err := ask(5_000_000); err != nil || a.Refused != store.RefusedBudget {
		return fmt.Errorf("refusal: %+v %w", a, err)
	}
	r, err := s.Receipt(first.Seq, rel.Seq)
	if err != nil {
		return err
	}
	text, err := audit.FormatReceipt(r)
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(filepath.Join(dir, "receipt.json"), text, 0o644), os.WriteFile(filepath.Join(dir, "result.json"), result, 0o644))
}

func edit(path string, f func(tx *bolt.Tx) error) error {
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: time.Second})
	if err != nil {
		return err
	}
	return errors.Join(db.Update(f), db.Close())
}

// alter DIR SEQ BYTE flips a bit of a byte of an entry, as anyone who can write the file can.
func alter(ts *testscript.TestScript, _ bool, args []string) {
	seq, err := strconv.Atoi(args[1])
	ts.Check(err)
	at, err := strconv.Atoi(args[2])
	ts.Check(err)
	ts.Check(edit(filepath.Join(ts.MkAbs(args[0]), "audit.db"), func(tx *bolt.Tx) error {
		b, key := tx.Bucket([]byte("e")), []byte{0, 0, 0, 0, 0, 0, 0, byte(seq)}
		v := append([]byte(nil), b.Get(key)...)
		v[at] ^= 1
		return b.Put(key, v)
	}))
}

// cut DIR PERCENT truncates audit.db to a part of what is in use of it.
func cut(ts *testscript.TestScript, _ bool, args []string) {
	path := filepath.Join(ts.MkAbs(args[0]), "audit.db")
	percent, err := strconv.Atoi(args[1])
	ts.Check(err)
	b, err := os.ReadFile(path)
	ts.Check(err)
	used := len(b)
	for used > 0 && b[used-1] == 0 {
		used--
	}
	ts.Check(os.Truncate(path, int64(used*percent/100)))
}

// held DIR COMMAND... runs a command while a gateway has the store open, and requires exit status 5.
func held(ts *testscript.TestScript, _ bool, args []string) {
	s, err := store.Open(store.InDir(ts.MkAbs(args[0])))
	ts.Check(err)
	exits(ts, false, append([]string{"5"}, args[1:]...))
	ts.Check(s.Close())
}

// rebuild DIR makes the log anew with the same keys: a history that differs and verifies by itself.
func rebuild(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(args[0])
	ts.Check(os.Remove(filepath.Join(dir, "audit.db")))
	ts.Check(store.Create(store.CreateConfig{Config: store.InDir(dir), Origin: "audit.example.gov/gw1/2027"}))
	s, err := store.Open(store.InDir(dir))
	ts.Check(err)
	ts.Check(sampleLog(s, dir))
	ts.Check(s.Close())
}
