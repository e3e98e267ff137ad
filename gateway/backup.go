package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"jali/audit"
	"jali/audit/store"
)

const (
	backupFormat = "jali-backup/1"
	manifestName = "backup.json"
)

// backupManifest says what a backup holds. It is written last, into both directories.
type backupManifest struct {
	Format     string       `json:"format"`
	Origin     string       `json:"origin"`
	Time       time.Time    `json:"time"`
	Checkpoint string       `json:"checkpoint"` // signed by the log: how far the copy reaches
	Files      []backupFile `json:"files"`
}

type backupFile struct {
	Path   string `json:"path"` // in the state directory
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
	Secret bool   `json:"secret,omitempty"` // in the directory of keys
}

// Backup copies the state of a gateway that serves to new directories: the record and all that is not secret to dir, keys to keys (empty: they are not copied). Rows are not copied: they follow
// the rules for rows. Keys are apart, because whoever has both can read all details, and because a copy of keys.db outlives erasure: it must be destroyed with every erasure
// (docs/operations.md). The backup is on record before it begins. Each directory is complete or absent.
func (g *Gateway) Backup(ctx context.Context, dir, keys, approver string) (Activated, error) {
	what := "record"
	if keys != "" {
		what = "record and keys"
	}
	a, err := g.log.Append(ctx, store.Item{
		Kind: audit.Admin, Fields: audit.Object{"act": "backup"}, Subject: "admin", Class: "admin",
		Details: []audit.Detail{{Name: "actor", Value: approver}, {Name: "what", Value: what}},
	})
	if err != nil {
		return Activated{}, g.unrecorded(err)
	}
	b := backup{state: string(g.layout), dirs: [2]string{dir, keys}}
	if err := b.write(ctx, g.log, g.now()); err != nil {
		return Activated{}, invalid("backup", errors.Join(err, b.discard()))
	}
	return Activated{Seq: a.Seq}, nil
}

// backup is one that is being written; parts of it have names of their own until it is complete.
type backup struct {
	state string
	dirs  [2]string // of the record, of the keys
	files []backupFile
	made  []string
}

func part(dir string) string { return filepath.Clean(dir) + ".part" }

func (b *backup) discard() error {
	var err error
	for _, d := range b.made {
		err = errors.Join(err, os.RemoveAll(d))
	}
	return err
}

func (b *backup) write(ctx context.Context, log *store.Store, now time.Time) error {
	for _, d := range b.dirs {
		if d == "" {
			continue
		}
		if _, err := os.Lstat(d); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s is there already: name a new directory", d)
		}
		if err := os.Mkdir(part(d), 0o700); err != nil {
			return fmt.Errorf("make directory: %w", err)
		}
		b.made = append(b.made, part(d))
	}
	layout := Layout(b.state)
	var keysCopy string
	if b.dirs[1] != "" {
		keysCopy = filepath.Join(part(b.dirs[1]), filepath.Base(layout.DetailKeys()))
	}
	// The log first: files that are added meanwhile belong to later entries, and do no harm.
	checkpoint, err := log.Snapshot(filepath.Join(part(b.dirs[0]), filepath.Base(layout.Audit())), keysCopy)
	if err != nil {
		return err
	}
	for i, name := range []string{layout.Audit(), layout.DetailKeys()} {
		if b.dirs[i] == "" {
			continue
		}
		if err := b.enter(filepath.Base(name), i == 1); err != nil {
			return err
		}
	}
	if err := b.walk(ctx); err != nil {
		return err
	}
	m := backupManifest{Format: backupFormat, Origin: log.Origin(), Time: now.UTC(), Checkpoint: string(checkpoint), Files: b.files}
	text, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return err
	}
	for _, d := range b.dirs {
		if d == "" {
			continue
		}
		if err := copySynced(filepath.Join(part(d), manifestName), strings.NewReader(string(text)+"\n")); err != nil {
			return fmt.Errorf("write manifest: %w", err)
		}
	}
	for _, d := range b.dirs {
		if d == "" {
			continue
		}
		if err := os.Rename(part(d), d); err != nil {
			return fmt.Errorf("name backup: %w", err)
		}
		b.made = append(b.made, d)
	}
	return nil
}

// left are what a backup leaves out: rows, what is taken as a snapshot, and what belongs to the running process. A name stands for all below it.
var left = []string{"audit.db", "audit.db.journal-0", "audit.db.journal-1", "keys.db", "data", "tmp", "next", "admin.sock", "endpoint"}

// secret reports whether a file is a key: everything below a directory "keys", and databases of keys of earlier logs.
func secret(path string) bool {
	parts := strings.Split(filepath.ToSlash(path), "/")
	return slices.Contains(parts[:len(parts)-1], "keys") || parts[len(parts)-1] == "keys.db"
}

// walk copies every other file. What is new in a later version is copied too: forgetting would be found when it is too late.
func (b *backup) walk(ctx context.Context) error {
	return filepath.WalkDir(b.state, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		name, err := filepath.Rel(b.state, path)
		if err != nil {
			return err
		}
		inside := slices.ContainsFunc(b.made, func(m string) bool { return samePath(m, path) })
		if slices.Contains(left, name) || inside {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() {
			return nil
		}
		to := b.dirs[0]
		if secret(name) {
			if to = b.dirs[1]; to == "" {
				return nil
			}
		}
		in, err := os.Open(path)
		if err != nil {
			return err
		}
		defer in.Close()
		if err := copySynced(filepath.Join(part(to), name), in); err != nil {
			return fmt.Errorf("copy %s: %w", name, err)
		}
		return b.enter(name, secret(name))
	})
}

func samePath(a, b string) bool {
	x, errX := filepath.Abs(a)
	y, errY := filepath.Abs(b)
	return errX == nil && errY == nil && x == y
}

// enter lists a file as it is in the copy.
func (b *backup) enter(name string, secret bool) error {
	dir := b.dirs[0]
	if secret {
		dir = b.dirs[1]
	}
	sum, size, err := digestOf(filepath.Join(part(dir), name))
	if err != nil {
		return err
	}
	b.files = append(b.files, backupFile{Path: filepath.ToSlash(name), Size: size, SHA256: sum, Secret: secret})
	return nil
}

func digestOf(path string) (sum string, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := sha256.New()
	size, err = io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), size, err
}

func copySynced(path string, in io.Reader) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, in)
	return errors.Join(err, f.Sync(), f.Close())
}
