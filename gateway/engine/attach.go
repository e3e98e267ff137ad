package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// AttachConfig says which rows become a data version in PostgreSQL. Of ImportConfig, Files are read unless From is set, and Active
// is not used: a version in PostgreSQL is made whole.
type AttachConfig struct {
	ImportConfig
	// Reader is the role that answers, whose connection string the gateway keeps reading. Owner makes the version's schema and
	// reads the tables of From; it is used during Attach only.
	Reader, Owner Secret
	// From is a schema of the database with a table or view of the name and columns of each table of the catalogue.
	From string
}

// Attach checks rows against the catalogue as Import does and puts them, as Import would store them, into a schema of their own in
// PostgreSQL, which nothing uses until the version is activated. The gateway keeps a note of the place; while Attach runs, rows
// pass through a private folder inside Dir.
//
// The schema is made in one transaction. A crash before it leaves nothing, or ordinals that nobody uses; after it a schema
// jali_... without a note, which can be dropped.
func Attach(ctx context.Context, cfg AttachConfig) (Manifest, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Threads <= 0 {
		cfg.Threads = runtime.GOMAXPROCS(0)
	}
	cfg.Active = nil
	m, err := attach(ctx, cfg)
	if err != nil {
		return Manifest{}, fmt.Errorf("attach: %w", err)
	}
	return m, nil
}

func attach(ctx context.Context, cfg AttachConfig) (Manifest, error) {
	if cfg.Reader.File != "" {
		path, err := filepath.Abs(cfg.Reader.File)
		if err != nil {
			return Manifest{}, err
		}
		cfg.Reader.File = path
	}
	reader, err := cfg.Reader.config("", true)
	if err != nil {
		return Manifest{}, err
	}
	owner, err := cfg.Owner.config("", false)
	if err != nil {
		return Manifest{}, err
	}
	if owner.User == reader.User {
		return Manifest{}, fmt.Errorf("%w: owner and reader are the same role: the role that answers must not own what it reads", ErrFence)
	}
	c, err := pgconn.ConnectConfig(ctx, owner)
	if err != nil {
		return Manifest{}, pgFault(ctx, "connect as owner", err)
	}
	defer discard(c)
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return Manifest{}, err
	}
	unlock, err := lockDir(cfg.Dir)
	if err != nil {
		return Manifest{}, err
	}
	defer unlock()
	work, err := os.MkdirTemp(cfg.Dir, workPrefix)
	if err != nil {
		return Manifest{}, err
	}
	defer os.RemoveAll(work)
	m := &importer{ImportConfig: cfg.ImportConfig, work: work}
	if cfg.From != "" {
		if m.tablesFrom, err = newTablesFrom(ctx, cfg.Owner, cfg.From); err != nil {
			return Manifest{}, err
		}
		defer m.tablesFrom.close()
		m.Files = m.tablesFrom.files(cfg.Catalog)
	}
	return m.attach(ctx, c, cfg.Reader, reader.User)
}

// attach builds the version as a file, moves its rows to PostgreSQL and forgets the file.
func (m *importer) attach(ctx context.Context, owner *pgconn.PgConn, reader Secret, role string) (Manifest, error) {
	if err := m.choose(); err != nil {
		return Manifest{}, err
	}
	version := filepath.Join(m.work, "version.duckdb")
	persons, rows, err := m.build(ctx, version)
	if err != nil {
		return Manifest{}, err
	}
	m.manifest = Manifest{
		Dataset: m.Catalog.ID, Population: m.Catalog.Population, Class: m.Catalog.Class, Level: m.Catalog.Level,
		Catalog: m.Catalog.Digest, Created: m.Now().UTC().Truncate(time.Second), Persons: persons, Tables: rows,
	}
	if _, err := rand.Read(m.manifest.Nonce[:]); err != nil {
		return Manifest{}, err
	}
	place := Place{Format: placeFormat, Schema: schemaOf(m.manifest), Secret: reader}
	if m.manifest.ScanNS, m.manifest.StreamNS, err = calibratePostgres(ctx, owner, place, role, m.Threads, rows); err != nil {
		return Manifest{}, fmt.Errorf("calibrate: %w", err)
	}
	l := &loader{conn: owner, schema: place.Schema, role: role, catalog: m.Catalog}
	if err := l.begin(ctx); err != nil {
		return Manifest{}, err
	}
	if m.manifest.File, m.manifest.Size, err = l.load(ctx, version, rows); err != nil {
		return Manifest{}, err
	}
	// The register first, as in Import. Then the schema, and the note of it last: what has no note is not used.
	if err := moveSynced(filepath.Join(m.work, personsFile), filepath.Join(m.Dir, personsFile)); err != nil {
		return Manifest{}, err
	}
	if err := l.commit(ctx, m.manifest); err != nil {
		return Manifest{}, err
	}
	if err := writeSynced(placeFile(m.Dir, m.manifest.Version()), place.encode()); err != nil {
		return Manifest{}, err
	}
	if err := m.confirm(ctx, place); err != nil {
		return Manifest{}, errors.Join(err, l.drop(ctx))
	}
	return m.manifest, nil
}

// confirm opens the version as the gateway will, and checks everything once as the role that answers.
func (m *importer) confirm(ctx context.Context, place Place) error {
	p := newPostgres(place, m.manifest, m.Catalog, slog.New(slog.DiscardHandler))
	defer p.pool.close()
	err := p.check(ctx)
	if err == nil {
		return nil
	}
	if e := os.Remove(placeFile(m.Dir, m.manifest.Version())); e != nil {
		err = errors.Join(err, e)
	}
	return fmt.Errorf("check as the role that answers: %w", err)
}
