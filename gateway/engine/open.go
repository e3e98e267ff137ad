package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"

	"jali/gateway/catalog"
)

// Config says which data version to open. Path and Catalog are required.
type Config struct {
	Path    string
	Catalog *catalog.Dataset
	// TempDir holds a private folder for what does not fit in memory: parts of rows, removed at Close. Empty: os.TempDir().
	TempDir string
	// Threads is how many goroutines or DuckDB threads work on one query; 0: all processors. MemoryLimit ("4GB") bounds each of
	// the two DuckDB instances, one for aggregations and one for streams; "": DuckDB's own limit.
	Threads     int
	MemoryLimit string
	// Operator hears the class of failures, without values, counts or literals. Nil: nobody.
	Operator *slog.Logger
}

// ErrVersion: the file is not a data version of the catalogue.
var ErrVersion = errors.New("not a data version of this catalogue")

// errClosed: the engine was closed before the query came.
var errClosed = errors.New("engine is closed")

// Engine answers plans from one data version. It is safe for concurrent use.
type Engine struct {
	catalog    *catalog.Dataset
	store      store
	dialect    dialect
	*instances                  // the store, if the version is a file
	rows       map[string]int64 // tables the version holds
	persons    int64
	threads    int
	operator   *slog.Logger

	life   sync.RWMutex // held for reading by each run
	closed bool
}

// lockdown is the option set of stack.md section 10.1. Configuration is locked by the last statement of seal.
func lockdown(cfg Config, threads int, spill string) map[string]string {
	options := map[string]string{
		"access_mode": "READ_ONLY", "threads": strconv.Itoa(threads), "temp_directory": spill,
		"allow_unsigned_extensions": "false", "autoinstall_known_extensions": "false",
		"autoload_known_extensions": "false", "allow_community_extensions": "false",
	}
	if cfg.MemoryLimit != "" {
		options["memory_limit"] = cfg.MemoryLimit
	}
	return options
}

// seal shuts what cannot be shut at opening. It holds for the whole instance, also for connections made later.
var seal = []string{"SET enable_external_access = false", "SET lock_configuration = true"}

// Open opens a data version read-only and locked down.
func Open(cfg Config) (*Engine, error) {
	if cfg.Threads <= 0 {
		cfg.Threads = runtime.GOMAXPROCS(0)
	}
	if cfg.TempDir == "" {
		cfg.TempDir = os.TempDir()
	}
	if _, err := os.Stat(cfg.Path); err != nil {
		return nil, fmt.Errorf("open data version: %w", err)
	}
	scratch, err := os.MkdirTemp(cfg.TempDir, "engine-")
	if err != nil {
		return nil, fmt.Errorf("open data version: %w", err)
	}
	e := newEngine(cfg)
	e.scratch = scratch
	if err := e.open(cfg); err != nil {
		e.Close()
		return nil, fmt.Errorf("open data version: %w", err)
	}
	return e, nil
}

func newEngine(cfg Config) *Engine {
	e := &Engine{catalog: cfg.Catalog, instances: &instances{}, rows: map[string]int64{}, threads: cfg.Threads, operator: cfg.Operator}
	e.store = e.instances
	if e.operator == nil {
		e.operator = slog.New(slog.DiscardHandler)
	}
	return e
}

func (e *Engine) open(cfg Config) error {
	ctx := context.Background()
	for _, p := range []struct {
		to      **pool
		name    string
		threads int
	}{{&e.plain, "plain", cfg.Threads}, {&e.ordered, "ordered", 1}} {
		db, err := openDatabase(cfg.Path, lockdown(cfg, p.threads, filepath.Join(e.scratch, p.name)))
		if err != nil {
			return err
		}
		*p.to = newPool(db, 4*cfg.Threads)
		if err := (*p.to).session(func(c *connection) error { return c.execAll(ctx, seal...) }); err != nil {
			return err
		}
	}
	return e.plain.session(func(c *connection) error { return e.load(ctx, c) })
}

// load checks that the version was imported under the catalogue whose bounds the planner trusts, and learns what it holds.
func (e *Engine) load(ctx context.Context, c *connection) error {
	same, err := count(ctx, c, "SELECT count(*) FROM _version WHERE catalog = ?", fmt.Sprintf("%x", e.catalog.Digest))
	if err != nil || same != 1 {
		return fmt.Errorf("%w: import the data again", ErrVersion)
	}
	if e.persons, err = count(ctx, c, "SELECT persons FROM _version"); err != nil {
		return err
	}
	for _, t := range e.catalog.Tables {
		held, err := count(ctx, c, "SELECT count(*) FROM duckdb_tables() WHERE table_name = ?", t.Name)
		if err != nil {
			return err
		}
		if held == 0 {
			continue
		}
		if e.rows[t.Name], err = count(ctx, c, "SELECT count(*) FROM "+quote(t.Name)); err != nil {
			return err
		}
	}
	return nil
}

// Ready reports whether queries may be expected to run: not while a version in PostgreSQL is unchecked or its server was last seen
// down. It asks nobody and looks at no data.
func (e *Engine) Ready() bool { return e.store.ready() }

// Close waits for running queries and removes the private temporary folder.
func (e *Engine) Close() error {
	e.life.Lock()
	defer e.life.Unlock()
	if e.closed {
		return nil
	}
	e.closed = true
	return e.store.close()
}

func (s *instances) close() error {
	if s.plain != nil {
		s.plain.close()
	}
	if s.ordered != nil && s.ordered != s.plain {
		s.ordered.close()
	}
	if s.scratch == "" {
		return nil
	}
	return os.RemoveAll(s.scratch)
}
