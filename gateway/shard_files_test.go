package gateway

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Cut off after any of its moves, the change of logs is finished by the next start: the old files are kept, the new ones in
// their places, nothing is lost or mixed.
func TestFinishShard(t *testing.T) {
	put := func(t *testing.T, path, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const name = "audit.example_1"
	for cut := 0; cut <= 2*len(shardFiles); cut++ {
		layout := Layout(t.TempDir())
		for _, f := range shardFiles {
			if strings.HasSuffix(f, ".blobs") { // the old log has stored results beside it, the new one none yet
				put(t, filepath.Join(string(layout), f, "result"), "old "+f)
				continue
			}
			put(t, filepath.Join(string(layout), f), "old "+f)
			put(t, filepath.Join(string(layout.Next()), f), "new "+f)
		}
		put(t, filepath.Join(string(layout), "config.yaml"), "stays")
		if err := finishShard(layout); err != nil || exists(layout.Shard(name).Audit()) {
			t.Fatalf("moved before the new log was ready: %v", err)
		}
		put(t, layout.Next().ready(), name)
		// As far as the run that was cut off came.
		steps := 0
		for _, f := range shardFiles {
			if err := os.MkdirAll(layout.Shard(name).Keys(), 0o700); err != nil {
				t.Fatal(err)
			}
			if steps++; steps <= cut {
				if err := move(layout, layout.Shard(name), f); err != nil {
					t.Fatal(err)
				}
			}
		}
		for i := len(shardFiles) - 1; i >= 0; i-- {
			if steps++; steps <= cut {
				if err := move(layout.Next(), layout, shardFiles[i]); err != nil {
					t.Fatal(err)
				}
			}
		}
		for range 2 {
			if err := finishShard(layout); err != nil {
				t.Fatalf("cut after %d moves: %v", cut, err)
			}
		}
		for _, f := range shardFiles {
			if strings.HasSuffix(f, ".blobs") {
				f = filepath.Join(f, "result")
			} else if b, err := os.ReadFile(filepath.Join(string(layout), f)); err != nil || string(b) != "new "+f {
				t.Errorf("cut after %d moves: %s is %q, %v", cut, f, b, err)
			}
			if b, err := os.ReadFile(filepath.Join(string(layout.Shard(name)), f)); err != nil || !strings.HasPrefix(string(b), "old ") {
				t.Errorf("cut after %d moves: %s kept as %q, %v", cut, f, b, err)
			}
		}
		if exists(string(layout.Next())) {
			t.Errorf("cut after %d moves: %s is left", cut, layout.Next())
		}
	}
}

func exists(path string) bool { _, err := os.Lstat(path); return err == nil }
