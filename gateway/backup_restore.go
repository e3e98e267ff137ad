package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"jali/audit"
	"jali/audit/store"
)

var (
	// ErrBackup: the files are not a backup, or not as they were when it was made.
	ErrBackup = errors.New("not a backup that can be restored")
	// ErrUnwitnessed: nobody outside can say whether a copy is the newest.
	ErrUnwitnessed = errors.New("no witness can say how far the audit log had come")
)

// Unpacked is what RestoreBackup has put in place.
type Unpacked struct {
	Origin string
	Size   uint64 // entries
	Keys   bool   // keys were there
	// Witnessed is what witnesses have cosigned at most; more than Size means that entries are missing. 0: nobody was asked.
	Witnessed uint64
}

// RestoreBackup makes a state directory of a backup, checks every file against the manifest, every entry against the log's own keys and the checkpoint of the backup,
// and asks the witnesses how far the log had come. The directory must not exist; it appears complete, by rename. A copy that is behind is put in place all the same, with ErrRollback: Restore
// brings it up to date, and a gateway does not start on it. One that contradicts a witness is ErrFork or a damage, and is not put in place; one that nobody witnesses is only with unwitnessed.
func RestoreBackup(ctx context.Context, cfg Config, from, keys string, unwitnessed bool) (Unpacked, error) {
	text, err := os.ReadFile(filepath.Join(from, manifestName))
	if err != nil {
		return Unpacked{}, fmt.Errorf("%w: read manifest: %w", ErrBackup, err)
	}
	var m backupManifest
	if err := json.Unmarshal(text, &m); err != nil || m.Format != backupFormat {
		return Unpacked{}, fmt.Errorf("%w: the manifest is damaged or of another version", ErrBackup)
	}
	if _, err := os.Lstat(cfg.Dir); !errors.Is(err, os.ErrNotExist) {
		return Unpacked{}, fmt.Errorf("%w: %s is there already", ErrBackup, cfg.Dir)
	}
	next := filepath.Clean(cfg.Dir) + ".restoring"
	if err := os.Mkdir(next, 0o700); err != nil {
		return Unpacked{}, fmt.Errorf("%w: make directory: %w", ErrBackup, err)
	}
	out, err := unpack(ctx, cfg, m, from, keys, next, unwitnessed)
	if err != nil && !errors.Is(err, ErrRollback) {
		return out, errors.Join(err, os.RemoveAll(next))
	}
	return out, errors.Join(err, os.Rename(next, cfg.Dir))
}

func unpack(ctx context.Context, cfg Config, m backupManifest, from, keys, next string, unwitnessed bool) (Unpacked, error) {
	out := Unpacked{Origin: m.Origin, Keys: keys != ""}
	for _, f := range m.Files {
		source := from
		if f.Secret {
			if source = keys; source == "" {
				continue
			}
		}
		if !filepath.IsLocal(filepath.FromSlash(f.Path)) {
			return out, fmt.Errorf("%w: the manifest names a file outside", ErrBackup)
		}
		to := filepath.Join(next, filepath.FromSlash(f.Path))
		in, err := os.Open(filepath.Join(source, filepath.FromSlash(f.Path)))
		if err != nil {
			return out, fmt.Errorf("%w: %w", ErrBackup, err)
		}
		err = errors.Join(copySynced(to, in), in.Close())
		if err != nil {
			return out, fmt.Errorf("%w: copy %s: %w", ErrBackup, f.Path, err)
		}
		// The copy is what is judged: what was read twice could differ.
		if sum, size, err := digestOf(to); err != nil || sum != f.SHA256 || size != f.Size {
			return out, errors.Join(fmt.Errorf("%w: %s is not as it was when the backup was made", ErrBackup, f.Path), err)
		}
	}
	layout := Layout(next)
	if _, err := os.Stat(layout.VKeys()); err == nil {
		if err := os.Chmod(layout.VKeys(), 0o644); err != nil {
			return out, err
		}
	}
	r, err := store.OpenReader(layout.Log())
	if err != nil {
		return out, err
	}
	vkeys, size := r.Keys(), r.Size()
	if err := r.Close(); err != nil {
		return out, err
	}
	made, err := vkeys.OpenCheckpoint([]byte(m.Checkpoint))
	if err != nil || made.Size > size {
		return out, errors.Join(fmt.Errorf("%w: the log is not the one that the backup was made of", ErrBackup), err)
	}
	out.Size = size
	earlier := []audit.Checkpoint{made}
	at := cfg
	at.Dir = next
	seen, err := witnessedOf(ctx, at)
	switch {
	case errors.Is(err, ErrUnwitnessed) && unwitnessed:
	case err != nil:
		return out, err
	default:
		if out.Witnessed = seen.Size; seen.Size <= size {
			earlier = append(earlier, seen)
		}
	}
	if _, err := store.Verify(store.VerifyConfig{Config: layout.Log(), Earlier: earlier}); err != nil {
		return out, err
	}
	if out.Witnessed > size {
		return out, fmt.Errorf("%w: the backup has %d entries, a witness has cosigned %d", ErrRollback, size, out.Witnessed)
	}
	return out, nil
}

// witnessedOf asks the witnesses of a state directory's seal.policy.
func witnessedOf(ctx context.Context, cfg Config) (audit.Checkpoint, error) {
	w, err := loadWitnesses(Layout(cfg.Dir), cfg)
	if err != nil {
		return audit.Checkpoint{}, err
	}
	if w.seal == nil {
		return audit.Checkpoint{}, fmt.Errorf("%w: no seal.policy names any", ErrUnwitnessed)
	}
	cp, err := w.latest(ctx)
	if errors.Is(err, ErrRestore) {
		return cp, fmt.Errorf("%w: none answers", ErrUnwitnessed)
	}
	return cp, err
}
