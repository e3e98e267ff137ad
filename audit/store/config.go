package store

import (
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"jali/audit"
)

// Config says where a store is and what it works with.
type Config struct {
	Path    string // audit.db
	Keys    string // keys.db; default: keys.db beside Path
	FileKey string // wraps keys.db; default: Keys + ".key"
	Signer  string // note-format private keys of the log, mode 0600; default: log.key beside Path

	// Start are the fields of the ADMIN entry that Open writes; default {"act": "start"}. StartDetails are its details.
	Start        audit.Object
	StartDetails []audit.Detail

	// Admit, if set, is called by Open when the log has been checked and before anything is appended: start step 5, asking
	// witnesses. Its error ends Open. Of the store it may use what reads, and Cosigned.
	Admit func(*Store) error

	// Now is the gateway's clock; default time.Now.
	Now func() time.Time
	// Logger gets what operators must know; default slog.Default.
	Logger *slog.Logger
	// Fatal is called once when a commit fails, and should not return: nobody is answered any more. Default: exit 70.
	Fatal func(error)
}

// CreateConfig is what Create needs besides the places.
type CreateConfig struct {
	Config
	Origin string // of the log, e.g. audit.example.gov/gw1/2027
	// Final is the last signed checkpoint of the shard before, Why what made the shard: new (default), year or restore.
	Final []byte
	PSize uint64
	Why   string
	// Carry are the ledgers of the shard before, Lost the entries of it that nobody has any more.
	Carry []Carried
	Lost  *Lost
}

// InDir is the layout of a state directory.
func InDir(dir string) Config { return Config{Path: filepath.Join(dir, "audit.db")}.withDefaults() }

// VKeysFile is where Create publishes the log's verifier keys, beside Path.
func (c Config) VKeysFile() string { return filepath.Join(filepath.Dir(c.Path), "vkeys") }

// blobs is the directory of stored results above 1 MiB.
func (c Config) blobs() string { return c.Path + ".blobs" }

func (c Config) withDefaults() Config {
	dir := filepath.Dir(c.Path)
	if c.Keys == "" {
		c.Keys = filepath.Join(dir, "keys.db")
	}
	if c.FileKey == "" {
		c.FileKey = c.Keys + ".key"
	}
	if c.Signer == "" {
		c.Signer = filepath.Join(dir, "log.key")
	}
	if c.Start == nil {
		c.Start = audit.Object{"act": "start"}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Fatal == nil {
		logger := c.Logger
		c.Fatal = func(err error) {
			logger.Error("audit store stopped: a commit failed, nothing may be answered", "error", err)
			os.Exit(ExitStorage)
		}
	}
	return c
}
