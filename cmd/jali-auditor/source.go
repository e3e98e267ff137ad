package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"jali/audit"
	"jali/audit/store"
	"jali/sdk"
)

// sourceFlags say where the record is taken from.
type sourceFlags struct {
	dir, export                             string
	profile, endpoint, ca, cert, key, vkeys string
	timeout                                 time.Duration
}

func (f *sourceFlags) register(root *cobra.Command) {
	s := root.PersistentFlags()
	s.StringVar(&f.dir, "dir", "", "state `directory` of a stopped gateway")
	s.StringVar(&f.export, "export", "", "`directory` of an export")
	s.StringVar(&f.profile, "profile", "", "`name` of a profile, or path of a profile.yaml or its directory")
	s.StringVar(&f.endpoint, "endpoint", "", "gateway `address`, https://host:port")
	s.StringVar(&f.ca, "ca", "", "`file` with the CA certificate of the gateway")
	s.StringVar(&f.cert, "cert", "", "`file` with the client certificate")
	s.StringVar(&f.key, "key", "", "`file` with the client certificate's key")
	s.StringVar(&f.vkeys, "vkeys", "", "`file` with the log's verifier keys, one per line")
	s.StringVar(&f.vkeys, "vkey", "", "the same as --vkeys")
	s.DurationVar(&f.timeout, "timeout", 10*time.Minute, "give up on a live gateway after this `long`")
	_ = s.MarkHidden("vkey")
}

// Kinds of sources.
const (
	fromDir    = "dir"
	fromExport = "export"
	fromLive   = "live"
)

// kind decides the source; at most one may be named.
func (f *sourceFlags) kind() (string, error) {
	live := f.endpoint != "" || f.profile != ""
	n := 0
	for _, set := range []bool{f.dir != "", f.export != "", live} {
		if set {
			n++
		}
	}
	switch {
	case n > 1:
		return "", usagef("name one source: --dir, --export, or --profile/--endpoint", "more than one source named")
	case f.dir != "":
		return fromDir, nil
	case f.export != "":
		return fromExport, nil
	}
	return fromLive, nil // a default profile may say which
}

// keys reads the verifier keys given; nil if none are.
func (f *sourceFlags) keys() (*audit.Keys, error) {
	path := f.vkeys
	if path == "" {
		return nil, nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, usagef("check the path", "read verifier keys: %w", err)
	}
	return audit.ReadKeys(b)
}

// state is the layout of a gateway's state directory.
func (f *sourceFlags) state() store.Config {
	cfg := store.InDir(f.dir)
	if key := filepath.Join(f.dir, "keys", "details.key"); exists(key) {
		cfg.FileKey = key
	}
	return cfg
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// source is a record that can be read in order. Nothing it returns is verified.
type source interface {
	// page returns entries from a number on, at least one while there are any; with details if the source was opened so.
	page(ctx context.Context, from uint64) ([]entry, error)
	close() error
}

// entry is a header line with the disclosures that could be had.
type entry struct {
	seq     uint64
	line    []byte
	details []string
}

// open opens the source for reading.
func (f *sourceFlags) open(ctx context.Context, details bool) (source, error) {
	kind, err := f.kind()
	if err != nil {
		return nil, err
	}
	switch kind {
	case fromDir:
		return openState(f.state(), details)
	case fromExport:
		return openExport(f.export, details)
	}
	return f.dial(ctx, details)
}

// settings merges profile and flags; flags win.
func (f *sourceFlags) settings() (sdk.Profile, error) {
	p, err := sdk.LoadProfile(f.profile)
	if err != nil && (!errors.Is(err, sdk.ErrNoProfile) || f.endpoint == "") {
		if errors.Is(err, sdk.ErrNoProfile) {
			return p, usagef("name one: --dir, --export, --profile, or --endpoint with --ca --cert --key", "no source named")
		}
		return p, err
	}
	for _, set := range []struct {
		field *string
		flag  string
	}{{&p.Endpoint, f.endpoint}, {&p.CA, f.ca}, {&p.Cert, f.cert}, {&p.Key, f.key}, {&p.VKeys, f.vkeys}} {
		if set.flag != "" {
			*set.field = set.flag
		}
	}
	return p, nil
}

// stateSource reads the files of a stopped gateway.
type stateSource struct {
	r       *store.Reader
	details bool
}

func openState(cfg store.Config, details bool) (source, error) {
	r, err := store.OpenReader(cfg)
	if err != nil {
		return nil, err
	}
	return &stateSource{r, details}, nil
}

func (s *stateSource) page(_ context.Context, from uint64) ([]entry, error) {
	lines, err := s.r.Entries(from, 4096)
	if err != nil {
		return nil, err
	}
	out := make([]entry, len(lines))
	for i, l := range lines {
		out[i] = entry{seq: from + uint64(i), line: l}
		if s.details {
			if out[i].details, err = s.r.Details(out[i].seq); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

func (s *stateSource) close() error { return s.r.Close() }
