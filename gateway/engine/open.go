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
	// Threads and MemoryLimit ("4GB") bound DuckDB; 0 and "" mean all processors and DuckDB's own limit.
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
	catalog  *catalog.Dataset
	db       *database
	rows     map[string]int64 // tables the version holds
	persons  int64
	threads  int
	scratch  string
	operator *slog.Logger

	life   sync.RWMutex // held for reading by each run
	closed bool
	idle   chan *connection
}

// lockdown is the option set of stack.md section 10.1. Configuration is locked by the last statement of seal.
func lockdown(cfg Config, scratch string) map[string]string {
	options := map[string]string{
		"access_mode": "READ_ONLY", "threads": strconv.Itoa(cfg.Threads), "temp_directory": scratch,
		"allow_unsigned_extensions": "false", "autoinstall_known_extensions": "false",
		"autoload_known_extensions": "false", "allow_community_extensions": "false",
	}
	if cfg.MemoryLimit != "" {
		options["memory_limit"] = cfg.MemoryLimit
	}
	return options
}

// seal shuts what cannot be shut at opening. Both hold for the whole instance, also for connections made later.
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
	db, err := openDatabase(cfg.Path, lockdown(cfg, filepath.Join(scratch, "spill")))
	if err != nil {
		os.RemoveAll(scratch)
		return nil, fmt.Errorf("open data version: %w", err)
	}
	e := newEngine(cfg, db)
	e.scratch = scratch
	if err := e.load(context.Background()); err != nil {
		e.Close()
		return nil, fmt.Errorf("open data version: %w", err)
	}
	return e, nil
}

func newEngine(cfg Config, db *database) *Engine {
	e := &Engine{
		catalog: cfg.Catalog, db: db, rows: map[string]int64{}, threads: cfg.Threads, operator: cfg.Operator,
		idle: make(chan *connection, 4*cfg.Threads),
	}
	if e.operator == nil {
		e.operator = slog.New(slog.DiscardHandler)
	}
	return e
}

// load seals the instance and checks that the version was imported under the catalogue whose bounds the planner trusts.
func (e *Engine) load(ctx context.Context) error {
	c, err := e.db.connect()
	if err != nil {
		return err
	}
	defer c.close()
	if err := c.execAll(ctx, seal...); err != nil {
		return err
	}
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

// Close waits for running queries and removes the private temporary folder.
func (e *Engine) Close() error {
	e.life.Lock()
	defer e.life.Unlock()
	if e.closed {
		return nil
	}
	e.closed = true
	close(e.idle)
	for c := range e.idle {
		c.close()
	}
	e.db.close()
	if e.scratch == "" {
		return nil
	}
	return os.RemoveAll(e.scratch)
}

// session lends a connection to f. One whose statement failed is discarded: what an interrupt leaves behind must not meet
// the next query.
func (e *Engine) session(f func(*connection) error) error {
	var c *connection
	var err error
	select {
	case c = <-e.idle:
	default:
		if c, err = e.db.connect(); err != nil {
			return err
		}
	}
	if err := f(c); err != nil {
		c.close()
		return err
	}
	select {
	case e.idle <- c:
	default:
		c.close()
	}
	return nil
}
