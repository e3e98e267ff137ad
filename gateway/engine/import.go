package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"jali/gateway/catalog"
)

// ImportConfig says what to import where. Catalog, Dir and Files are required.
type ImportConfig struct {
	Catalog *catalog.Dataset
	// Dir is the dataset's folder: versions, and the register of persons. It is made if missing, mode 0700.
	Dir   string
	Files []File
	// Active is the version whose other tables are carried over unchanged. Nil: tables without a file are left out.
	Active *Manifest
	// Threads and MemoryLimit ("4GB") bound DuckDB; 0 and "" mean all processors and DuckDB's own limit.
	Threads     int
	MemoryLimit string
	// NotEmpty refuses a table of which the files have no row: a header alone is most often an export that broke off, and would replace what
	// is served by nothing.
	NotEmpty bool
	// Now is the clock of Manifest.Created. Nil: time.Now.
	Now func() time.Time
	// Progress, if set, is told how many rows of a table are read.
	Progress func(table string, rows int64)
}

// ErrBusy: another import into the folder is running.
var ErrBusy = errors.New("another import of this dataset is running")

// ErrEmpty: the files of a table have no row, and NotEmpty was asked for. Nothing was loaded.
var ErrEmpty = errors.New("its files have no row")

// Import checks files against the catalogue and stores them as a new data version, Dir/<version>.duckdb, which nothing uses
// until it is activated. Bad rows end it with a *DataError. It works in a temporary folder inside Dir: a crash at any moment
// leaves at worst that folder, which the next import removes, ordinals that nobody uses, or a complete version that was never
// activated.
func Import(ctx context.Context, cfg ImportConfig) (Manifest, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Threads <= 0 {
		cfg.Threads = runtime.GOMAXPROCS(0)
	}
	if len(cfg.Files) == 0 {
		return Manifest{}, errors.New("import: no files given")
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return Manifest{}, fmt.Errorf("import: %w", err)
	}
	unlock, err := lockDir(cfg.Dir)
	if err != nil {
		return Manifest{}, fmt.Errorf("import: %w", err)
	}
	defer unlock()
	work, err := os.MkdirTemp(cfg.Dir, workPrefix)
	if err != nil {
		return Manifest{}, fmt.Errorf("import: %w", err)
	}
	defer os.RemoveAll(work)
	m := &importer{ImportConfig: cfg, work: work}
	if err := m.run(ctx); err != nil {
		return Manifest{}, fmt.Errorf("import: %w", err)
	}
	return m.manifest, nil
}

const workPrefix = ".import-"

// lockDir makes imports into a folder take turns, and removes what a crashed one left.
func lockDir(dir string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, ".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, ErrBusy
	}
	left, err := filepath.Glob(filepath.Join(dir, workPrefix+"*"))
	for _, p := range left {
		err = errors.Join(err, os.RemoveAll(p))
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}

// importer is one import on its way.
type importer struct {
	ImportConfig
	work     string
	tables   []*catalog.Table // imported from files, tables with a person key of their own first
	carried  []*catalog.Table
	files    map[*catalog.Table][]string
	manifest Manifest
	// tablesFrom, if set, is where all tables are read from in place of files.
	tablesFrom *tablesFrom
}

func (m *importer) run(ctx context.Context) error {
	if err := m.choose(); err != nil {
		return err
	}
	version := filepath.Join(m.work, "version.duckdb")
	persons, rows, err := m.build(ctx, version)
	if err != nil {
		return err
	}
	for _, t := range rows {
		if m.NotEmpty && t.Rows == 0 && slices.ContainsFunc(m.tables, func(c *catalog.Table) bool { return c.Name == t.Name }) {
			return fmt.Errorf("table %s: %w", t.Name, ErrEmpty)
		}
	}
	scan, stream, err := calibrate(ctx, m.Threads, rows)
	if err != nil {
		return fmt.Errorf("calibrate: %w", err)
	}
	m.manifest = Manifest{
		Dataset: m.Catalog.ID, Population: m.Catalog.Population, Class: m.Catalog.Class, Level: m.Catalog.Level,
		Catalog: m.Catalog.Digest, Created: m.Now().UTC().Truncate(time.Second), Persons: persons, Tables: rows,
		ScanNS: scan, StreamNS: stream,
	}
	if _, err := rand.Read(m.manifest.Nonce[:]); err != nil {
		return err
	}
	if m.manifest.File, m.manifest.Size, err = digestFile(version); err != nil {
		return err
	}
	// The register first: a version whose ordinals it does not hold must never exist.
	if err := moveSynced(filepath.Join(m.work, personsFile), filepath.Join(m.Dir, personsFile)); err != nil {
		return err
	}
	return moveSynced(version, filepath.Join(m.Dir, m.manifest.Version()+".duckdb"))
}

// choose sorts out which tables come from files and which are carried over.
func (m *importer) choose() error {
	m.files = map[*catalog.Table][]string{}
	for _, f := range m.Files {
		t, err := tableOf(m.Catalog, f)
		if err != nil {
			return err
		}
		if !slices.Contains(m.tables, t) {
			m.tables = append(m.tables, t)
		}
		m.files[t] = append(m.files[t], f.Path)
	}
	slices.SortStableFunc(m.tables, func(a, b *catalog.Table) int {
		return b2i(a.Via != nil) - b2i(b.Via != nil)
	})
	if m.Active != nil {
		if m.Active.Dataset != m.Catalog.ID || m.Active.Catalog != m.Catalog.Digest {
			if len(m.tables) < len(m.Active.Tables) {
				return errors.New("the catalogue changed since the active version was imported: import all tables again")
			}
		} else {
			if _, inPostgres, err := FindPlace(m.Dir, *m.Active); err != nil || inPostgres && len(m.tables) < len(m.Active.Tables) {
				return errors.Join(err, errors.New("the active version lies in PostgreSQL, from where no table is carried over: import all tables"))
			}
			for _, t := range m.Catalog.Tables {
				if _, held := m.Active.Rows(t.Name); held && !slices.Contains(m.tables, t) {
					m.carried = append(m.carried, t)
				}
			}
		}
	}
	for _, t := range m.tables {
		if t.Via == nil {
			continue
		}
		if v := m.Catalog.Table(t.Via.Table); !slices.Contains(m.tables, v) && !slices.Contains(m.carried, v) {
			return fmt.Errorf("table %s finds its persons through table %s: import both", t.Name, v.Name)
		}
	}
	for _, t := range m.carried {
		if t.Via != nil && slices.Contains(m.tables, m.Catalog.Table(t.Via.Table)) {
			return fmt.Errorf("table %s finds its persons through table %s: import both", t.Name, t.Via.Table)
		}
	}
	return nil
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// build writes the version file and returns its tables with their rows.
func (m *importer) build(ctx context.Context, version string) (persons int64, rows []TableManifest, err error) {
	options := map[string]string{
		"threads": strconv.Itoa(m.Threads), "temp_directory": filepath.Join(m.work, "spill"),
		"autoinstall_known_extensions": "false", "autoload_known_extensions": "false",
		"allow_community_extensions": "false", "allow_unsigned_extensions": "false",
	}
	if m.MemoryLimit != "" {
		options["memory_limit"] = m.MemoryLimit
	}
	db, err := openDatabase(version, options)
	if err != nil {
		return 0, nil, err
	}
	defer db.close()
	c, err := db.connect()
	if err != nil {
		return 0, nil, err
	}
	defer c.close()
	if err := c.exec(ctx, "ATTACH "+literal(filepath.Join(m.work, "staging.duckdb"))+" AS staging"); err != nil {
		return 0, nil, err
	}
	bad := &DataError{}
	for _, t := range m.tables {
		if err := m.stage(ctx, db, c, t, bad); err != nil {
			return 0, nil, fmt.Errorf("table %s: %w", t.Name, err)
		}
	}
	if err := bad.or(); err != nil {
		return 0, nil, err
	}
	if persons, err = numberPersons(ctx, c, m.Dir, m.work, m.tables); err != nil {
		return 0, nil, fmt.Errorf("number persons: %w", err)
	}
	if err := m.carry(ctx, c); err != nil {
		return 0, nil, err
	}
	for _, t := range m.tables {
		if err := m.store(ctx, c, t, bad); err != nil {
			return 0, nil, fmt.Errorf("table %s: %w", t.Name, err)
		}
	}
	if err := bad.or(); err != nil {
		return 0, nil, err
	}
	for _, t := range m.Catalog.Tables {
		if !slices.Contains(m.tables, t) && !slices.Contains(m.carried, t) {
			continue
		}
		n, err := count(ctx, c, "SELECT count(*) FROM "+quote(t.Name))
		if err != nil {
			return 0, nil, err
		}
		rows = append(rows, TableManifest{t.Name, n})
	}
	if err := c.exec(ctx, "CREATE TABLE _version AS SELECT ? AS catalog, ?::BIGINT AS persons", fmt.Sprintf("%x", m.Catalog.Digest), persons); err != nil {
		return 0, nil, err
	}
	return persons, rows, c.execAll(ctx, "DETACH staging", "CHECKPOINT")
}

// stage checks the files of one table.
func (m *importer) stage(ctx context.Context, db *database, c *connection, t *catalog.Table, bad *DataError) error {
	s, err := newStage(ctx, c, t, bad, m.Progress)
	if err != nil {
		return err
	}
	defer s.close()
	for i, path := range m.files[t] {
		src, err := m.open(ctx, db, path, t)
		if err != nil {
			return err
		}
		err = s.read(ctx, i, path, src)
		src.close()
		if err != nil {
			return fmt.Errorf("file %s: %w", filepath.Base(path), err)
		}
	}
	return s.finish()
}

func (m *importer) open(ctx context.Context, db *database, path string, t *catalog.Table) (source, error) {
	if m.tablesFrom != nil {
		return m.tablesFrom.open(ctx, t)
	}
	return openSource(ctx, db, path, t)
}

// carry copies the other tables of the active version. They were checked under the same catalogue, and keep their order.
func (m *importer) carry(ctx context.Context, c *connection) error {
	if len(m.carried) == 0 {
		return nil
	}
	path := filepath.Join(m.Dir, m.Active.Version()+".duckdb")
	if err := m.Active.CheckFile(path); err != nil {
		return fmt.Errorf("carry tables over: %w", err)
	}
	if err := c.exec(ctx, "ATTACH "+literal(path)+" AS active (READ_ONLY)"); err != nil {
		return fmt.Errorf("carry tables over: %w", err)
	}
	for _, t := range m.carried {
		if err := c.exec(ctx, "CREATE TABLE "+quote(t.Name)+" AS SELECT * FROM active."+quote(t.Name)); err != nil {
			return fmt.Errorf("carry table %s over: %w", t.Name, err)
		}
	}
	return c.exec(ctx, "DETACH active")
}

// store writes one table in its final form and order, and checks what its rows promise together.
func (m *importer) store(ctx context.Context, c *connection, t *catalog.Table, bad *DataError) error {
	var cols, order []string
	from := stagedName(t) + " s"
	if !t.Public {
		cols, order = append(cols, "k.p AS "+personColumn), append(order, personColumn)
		if t.Via == nil {
			from += " JOIN staging._person k ON k.key = s." + quote(t.PersonKey)
		} else {
			key := quote(t.Via.Key)
			from += " JOIN (SELECT " + key + ", " + personColumn + " AS p FROM " + quote(t.Via.Table) + ") k ON k." + key + " = s." + key
			orphans := "FROM " + stagedName(t) + " s WHERE NOT EXISTS (SELECT 1 FROM " + quote(t.Via.Table) + " v WHERE v." + key + " = s." + key + ")"
			if !sameCodes(t.Column(t.Via.Key), m.Catalog.Table(t.Via.Table).Column(t.Via.Key)) {
				return fmt.Errorf("via key %s has different code lists in %s and %s", t.Via.Key, t.Name, t.Via.Table)
			}
			n, err := count(ctx, c, "SELECT count(*) "+orphans)
			if err != nil {
				return err
			}
			if n > 0 {
				rule := "has no row of the same " + t.Via.Key + " in table " + t.Via.Table + " (via)"
				return nameLines(ctx, c, t, "SELECT "+placeColumn+" AS at "+orphans, rule, n, m.files[t], bad)
			}
		}
	}
	for _, col := range storedColumns(t) {
		cols = append(cols, "s."+quote(col.Name))
		if needsShadow(m.Catalog, col) {
			cols = append(cols, shadowOf(col)+" AS "+quote(shadowPrefix+col.Name))
		}
	}
	for _, u := range t.Unique[:min(1, len(t.Unique))] {
		for _, name := range u {
			if t.Public || name != t.PersonKey {
				order = append(order, "s."+quote(name))
			}
		}
	}
	sql := "SELECT " + strings.Join(cols, ", ") + " FROM " + from
	if len(order) > 0 {
		sql += " ORDER BY " + strings.Join(order, ", ")
	}
	if err := c.exec(ctx, "CREATE TABLE "+quote(t.Name)+" AS "+sql); err != nil {
		return err
	}
	at := stagedName(t)
	if !t.Public {
		at = "(SELECT s." + placeColumn + ", k.p AS " + personColumn + ", s.* EXCLUDE (" + placeColumn + ") FROM " + from + ")"
	}
	if err := verify(ctx, c, t, at, m.files[t], bad); err != nil {
		return err
	}
	// Via tables find their persons in the stored table, so only this table's staging is done with.
	return c.exec(ctx, "DROP TABLE "+stagedName(t))
}

// shadowOf is the text of a coded column, from the catalogue's code list.
func shadowOf(c *catalog.Column) string {
	codes := make([]string, len(c.Codes))
	for i, v := range c.Codes {
		codes[i] = literal(v.S)
	}
	return "[" + strings.Join(codes, ", ") + "][s." + quote(c.Name) + "::INTEGER + 1]"
}
