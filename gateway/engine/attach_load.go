package engine

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"jali/gateway/catalog"
)

// loader fills the schema of a version, in one transaction of the owner.
type loader struct {
	conn    *pgconn.PgConn
	schema  string
	role    string // that answers
	catalog *catalog.Dataset
}

// exec runs statements of ours; they hold names and bounds of the catalogue and no value.
func (l *loader) exec(ctx context.Context, verb, sql string) error {
	_, err := l.conn.Exec(ctx, sql).ReadAll()
	return pgFault(ctx, verb, err)
}

func (l *loader) begin(ctx context.Context) error {
	s := quote(l.schema)
	return l.exec(ctx, "make schema", `BEGIN; CREATE SCHEMA `+s+`; SET LOCAL search_path = `+s+`, pg_catalog, pg_temp;
		REVOKE ALL ON SCHEMA `+s+` FROM PUBLIC;
		CREATE FUNCTION _refuse() RETURNS trigger LANGUAGE plpgsql AS $$`+refuseBody+`$$`)
}

// refuseBody is what meets every change of a version. Checks compare it byte by byte: with another text, versions must be attached again.
const refuseBody = ` BEGIN
			RAISE EXCEPTION 'this data version of the query gateway is sealed: attach a new one' USING ERRCODE = '42501'; END `

// load copies all tables out of the version file, reads them back, and compares the digests of both.
func (l *loader) load(ctx context.Context, version string, held []TableManifest) (sum [32]byte, size int64, err error) {
	db, err := openDatabase(version, lockdown(Config{}, 1, ""))
	if err != nil {
		return sum, 0, err
	}
	from := newPool(db, 1)
	defer from.close()
	d := newRowDigest()
	for _, h := range held {
		t := l.catalog.Table(h.Name)
		if err := l.create(ctx, t); err != nil {
			return sum, 0, fmt.Errorf("table %s: %w", t.Name, err)
		}
		err := from.session(func(c *connection) error { return l.copy(ctx, c, t, d) })
		if err != nil {
			return sum, 0, fmt.Errorf("table %s: %w", t.Name, err)
		}
	}
	m := Manifest{Tables: held, File: d.sum(), Size: d.size}
	if err := checkRows(ctx, l.conn, l.catalog, m); err != nil {
		return sum, 0, err
	}
	for _, h := range held {
		if err := l.finish(ctx, l.catalog.Table(h.Name)); err != nil {
			return sum, 0, fmt.Errorf("table %s: %w", h.Name, err)
		}
	}
	return m.File, m.Size, nil
}

// create makes a table that holds what the planner's proofs rest on by itself: types, bounds and NOT NULL.
func (l *loader) create(ctx context.Context, t *catalog.Table) error {
	var defs []string
	for _, c := range loadedColumns(l.catalog, t) {
		def := quote(c.name) + " " + postgreSQL.typ(c.typ)
		if c.name == personColumn || c.from != nil && !c.from.Nullable {
			def += " NOT NULL"
		}
		if e := encodingOfLoaded(c); e.kind != texts {
			def += fmt.Sprintf(" CHECK (%s BETWEEN %d AND %d)", quote(c.name), e.lo, e.hi)
		}
		defs = append(defs, def)
	}
	return l.exec(ctx, "make table", "CREATE TABLE "+quote(t.Name)+" ("+strings.Join(defs, ", ")+")")
}

func encodingOfLoaded(c loadedColumn) encoding {
	switch {
	case c.name == personColumn:
		return encoding{kind: numbers, hi: maxPersons}
	case c.from == nil:
		return encoding{kind: texts}
	}
	return encodingOf(c.from)
}

// copy moves the rows of one table in their order, in PostgreSQL's binary form (PostgreSQL documentation, COPY, "Binary Format").
func (l *loader) copy(ctx context.Context, c *connection, t *catalog.Table, d *rowDigest) error {
	columns := loadedColumns(l.catalog, t)
	st, table := d.table(t, columns)
	rows, err := c.stream(ctx, st.sql)
	if err != nil {
		return err
	}
	r, w := io.Pipe()
	read := make(chan error, 1)
	go func() {
		_, err := w.Write(append([]byte("PGCOPY\n\xff\r\n\x00"), make([]byte, 8)...))
		if err == nil {
			err = rows.each(func(c chunk) error {
				if err := table.add(c); err != nil {
					return err
				}
				_, err := w.Write(appendCopy(nil, c, st.types))
				return err
			})
		} else {
			rows.close()
		}
		if err == nil {
			_, err = w.Write([]byte{0xff, 0xff})
		}
		w.CloseWithError(err) // nil ends the stream
		read <- err
	}()
	_, err = l.conn.CopyFrom(ctx, r, "COPY "+quote(t.Name)+" FROM STDIN WITH (FORMAT binary, FREEZE)")
	r.Close() // a writer that is still waiting ends
	if e := <-read; e != nil && err == nil {
		return e
	}
	table.end()
	return pgFault(ctx, "copy rows", err)
}

// appendCopy encodes the rows of a chunk for COPY.
func appendCopy(b []byte, c chunk, types []string) []byte {
	columns := readColumns(c, types)
	for i := range c.size() {
		b = binary.BigEndian.AppendUint16(b, uint16(len(columns)))
		for j := range columns {
			x := &columns[j]
			if !valid(x.mask, i) {
				b = binary.BigEndian.AppendUint32(b, 0xffffffff)
				continue
			}
			switch postgreSQL.typ(types[j]) {
			case "SMALLINT":
				b = binary.BigEndian.AppendUint16(append(b, 0, 0, 0, 2), uint16(x.numbers[i]))
			case "INTEGER":
				b = binary.BigEndian.AppendUint32(append(b, 0, 0, 0, 4), uint32(x.numbers[i]))
			case "BIGINT":
				b = binary.BigEndian.AppendUint64(append(b, 0, 0, 0, 8), uint64(x.numbers[i]))
			default:
				text := x.words[i].bytes()
				b = append(binary.BigEndian.AppendUint32(b, uint32(len(text))), text...)
			}
		}
	}
	return b
}

// finish makes the indexes of a table, among them its unique keys, grants its columns and seals it.
func (l *loader) finish(ctx context.Context, t *catalog.Table) error {
	name := quote(t.Name)
	columns := loadedColumns(l.catalog, t)
	known := func(name string) bool {
		return slices.ContainsFunc(columns, func(c loadedColumn) bool { return c.name == name })
	}
	var sql []string
	for i, u := range t.Unique {
		cols := make([]string, len(u))
		whole := true
		for j, key := range u {
			if !t.Public && key == t.PersonKey {
				key = personColumn
			}
			cols[j], whole = quote(key), whole && known(key)
		}
		if whole {
			sql = append(sql, "CREATE UNIQUE INDEX "+quote("_u"+strconv.Itoa(i)+"_"+t.Name)+" ON "+name+" ("+strings.Join(cols, ", ")+")")
		}
	}
	if !t.Public {
		sql = append(sql, "CREATE INDEX "+quote("_i_"+t.Name)+" ON "+name+" ("+personColumn+")")
	}
	sql = append(sql, grantOf(l.schema, l.role, t.Name, columns),
		"CREATE TRIGGER sealed BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON "+name+" FOR EACH STATEMENT EXECUTE FUNCTION _refuse()",
		"ALTER TABLE "+name+" ENABLE ALWAYS TRIGGER sealed")
	return l.exec(ctx, "finish table", strings.Join(sql, "; "))
}

// grantOf is the statement that lets the role that answers read a table, column by column.
func grantOf(schema, role, table string, columns []loadedColumn) string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = quote(c.name)
	}
	return "GRANT SELECT (" + strings.Join(names, ", ") + ") ON " + quote(schema) + "." + quote(table) + " TO " + quote(role)
}

func usageOf(schema, role string) string {
	return "GRANT USAGE ON SCHEMA " + quote(schema) + " TO " + quote(role)
}

// drop takes back what nothing uses, also when whoever asked is gone.
func (l *loader) drop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), longestStatement)
	defer cancel()
	return l.exec(ctx, "drop schema", "DROP SCHEMA "+quote(l.schema)+" CASCADE")
}

// commit makes the schema visible, all at once, and has PostgreSQL look at its tables for its plans.
func (l *loader) commit(ctx context.Context, m Manifest) error {
	s := quote(l.schema)
	note := literal("data version " + m.Version() + " of data set " + m.Dataset + "; never change it")
	if err := l.exec(ctx, "finish schema", usageOf(l.schema, l.role)+"; COMMENT ON SCHEMA "+s+" IS "+note+"; COMMIT"); err != nil {
		return err
	}
	for _, t := range m.Tables {
		if err := l.exec(ctx, "analyze table", "VACUUM (ANALYZE) "+s+"."+quote(t.Name)); err != nil {
			return err
		}
	}
	return nil
}
