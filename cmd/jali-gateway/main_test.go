package main

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	_ "github.com/duckdb/duckdb-go/v2"
	"github.com/rogpeppe/go-internal/testscript"
	bolt "go.etcd.io/bbolt"
)

// TestMain finds the three programs in $JALI_BIN, or builds them once: what is tested is what ships, in processes of its own.
func TestMain(m *testing.M) {
	os.Exit(func() int {
		if os.Getenv("JALI_BIN") == "" {
			dir, err := os.MkdirTemp("", "jali-bin")
			if err == nil {
				defer os.RemoveAll(dir)
				err = build(dir)
			}
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
			os.Setenv("JALI_BIN", dir)
		}
		return m.Run()
	}())
}

var programs = []string{"jali-gateway", "jali", "jali-auditor"}

func build(dir string) error {
	for _, p := range programs {
		out, err := exec.Command("go", "build", "-o", filepath.Join(dir, p), "jali/cmd/"+p).CombinedOutput()
		if err != nil {
			return fmt.Errorf("build %s: %w\n%s", p, err, out)
		}
	}
	return nil
}

// Scripts in testdata/script are the commands as a custodian types them.
func TestScripts(t *testing.T) {
	bin, err := filepath.Abs(os.Getenv("JALI_BIN"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range programs {
		// Looking at them also makes them inputs of the test, so that go test runs it again after a build.
		if _, err := os.Stat(filepath.Join(bin, p)); err != nil {
			t.Fatal(err)
		}
	}
	examples, err := filepath.Abs("../../examples")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "mode": mode, "await": await, "alter": alter, "parquet": parquet,
		},
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", bin+string(filepath.ListSeparator)+env.Getenv("PATH"))
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("JALI_CONFIG", "")
			env.Setenv("NHEFS", filepath.Join(examples, "nhefs"))
			return nil
		},
	})
}

// exits runs a command and requires its exit status: exits 2 jali-gateway init. The streams are then there for stdout and stderr.
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

// mode DIR checks that nobody but the owner can read what is below a directory. The names that follow are public: 0644.
func mode(ts *testscript.TestScript, _ bool, args []string) {
	public := map[string]bool{}
	for _, p := range args[1:] {
		public[ts.MkAbs(p)] = true
	}
	ts.Check(filepath.WalkDir(ts.MkAbs(args[0]), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		want := fs.FileMode(0o600)
		switch {
		case public[path]:
			want = 0o644
		case d.IsDir():
			want = 0o700
		}
		if got := info.Mode().Perm(); got != want {
			ts.Fatalf("%s has mode %v, want %v", path, got, want)
		}
		return nil
	}))
}

// await FILE waits for a file to be there; ! await for it to be gone.
func await(ts *testscript.TestScript, neg bool, args []string) {
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		_, err := os.Stat(ts.MkAbs(args[0]))
		if (err == nil) != neg {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("waited 30 s for %s (%v)", args[0], err)
		}
	}
}

// alter DIR SEQ BYTE flips a bit of a byte of an entry of the audit log, as anyone who can write the file can.
func alter(ts *testscript.TestScript, _ bool, args []string) {
	seq, err := strconv.Atoi(args[1])
	ts.Check(err)
	at, err := strconv.Atoi(args[2])
	ts.Check(err)
	db, err := bolt.Open(filepath.Join(ts.MkAbs(args[0]), "audit.db"), 0o600, &bolt.Options{Timeout: time.Second})
	ts.Check(err)
	defer db.Close()
	ts.Check(db.Update(func(tx *bolt.Tx) error {
		b, key := tx.Bucket([]byte("e")), []byte{0, 0, 0, 0, 0, 0, 0, byte(seq)}
		v := append([]byte(nil), b.Get(key)...)
		v[at] ^= 1
		return b.Put(key, v)
	}))
}

// parquet FILE SELECT writes the rows of a query.
func parquet(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(writeParquet(ts.MkAbs(args[0]), args[1]))
}

func writeParquet(path, query string) error {
	db, err := sql.Open("duckdb", "")
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.Exec("COPY (" + query + ") TO '" + path + "' (FORMAT parquet)")
	return err
}
