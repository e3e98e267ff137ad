package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"jali/gateway/catalog"
)

// Finding is one check of a version in PostgreSQL as its operator sees it. Err is nil where all is well; Hint says what to do, as
// the statement to run where there is one. A Warn is not as it should be, but the engine works with it.
type Finding struct {
	What string
	Err  error
	Hint string
	Warn bool
}

// Examine checks everything about a version in PostgreSQL as the role that answers: connection, grants, what the role can do that it
// ought not to, and last all rows. It names tables, columns and roles, and no value.
func Examine(ctx context.Context, place Place, ds *catalog.Dataset, m Manifest) []Finding {
	pool := newPGPool(place.Secret, place.Schema)
	defer pool.close()
	ctx, cancel := context.WithTimeout(ctx, longestCheck)
	defer cancel()
	x := &examination{schema: place.Schema, catalog: ds, version: m}
	err := pool.session(ctx, "SELECT current_user", func(c *pgconn.PgConn, rows [][][]byte) error {
		x.role = string(rows[0][0])
		x.add("connection as role "+x.role+" ("+place.Secret.String()+")", nil, "", false)
		return x.run(ctx, c)
	})
	if err != nil {
		x.add("PostgreSQL, "+place.Secret.String(), err, hintOfPG(err), false)
	}
	return x.findings
}

type examination struct {
	schema, role string
	catalog      *catalog.Dataset
	version      Manifest
	findings     []Finding
}

func (x *examination) add(what string, err error, hint string, warn bool) {
	x.findings = append(x.findings, Finding{what, err, hint, warn})
}

func (x *examination) run(ctx context.Context, c *pgconn.PgConn) error {
	for _, f := range fences(x.schema) {
		found, err := pgTexts(ctx, c, f.sql)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			continue
		}
		x.add(f.what, errors.New(list(found)), strings.NewReplacer("%s", strings.Join(found, ", "), "%r", quote(x.role)).Replace(f.mend)+";", !f.deny)
	}
	whole, err := x.grants(ctx, c)
	if err != nil || !whole {
		return err
	}
	rows, err := c.Exec(ctx, sealOf(x.schema)).ReadAll()
	if err != nil {
		return pgFault(ctx, "read seal", err)
	}
	if _, err := readSeal(rows[0].Rows); err != nil {
		x.add("seals of schema "+x.schema, err, "somebody changed the version: attach the data again", false)
	}
	if err := alone(ctx, c, x.schema); err != nil {
		x.add("contents of schema "+x.schema, err, "somebody added to the version: attach the data again", false)
	}
	start := time.Now()
	err = checkRows(ctx, c, x.catalog, x.version)
	x.add(fmt.Sprintf("all rows of schema %s are those that were attached (%.1f s)", x.schema, time.Since(start).Seconds()), err, "attach the data again: jali-gateway attach", false)
	return nil
}

// list is names for an error, not too many.
func list(names []string) string {
	if len(names) > 5 {
		return strings.Join(names[:5], ", ") + fmt.Sprintf(" and %d more", len(names)-5)
	}
	return strings.Join(names, ", ")
}

// grants says which GRANT is missing. whole is false if the rows cannot be read.
func (x *examination) grants(ctx context.Context, c *pgconn.PgConn) (whole bool, err error) {
	there, err := pgTexts(ctx, c, "SELECT has_schema_privilege(oid, 'USAGE') FROM pg_namespace WHERE nspname = "+literal(x.schema))
	switch {
	case err != nil:
		return false, err
	case len(there) == 0:
		x.add("schema "+x.schema, errors.New("it is not in this database"), "restore it from the database's backup, mend the connection string, or attach the data again", false)
		return false, nil
	case there[0] != "t":
		x.add("schema "+x.schema, errors.New("the role may not use it"), usageOf(x.schema, x.role)+";", false)
		return false, nil
	}
	whole = true
	for _, h := range x.version.Tables {
		t := x.catalog.Table(h.Name)
		if t == nil {
			return false, ErrVersion
		}
		granted, err := pgTexts(ctx, c, `SELECT a.attname FROM pg_attribute a JOIN pg_class r ON r.oid = a.attrelid JOIN pg_namespace n ON n.oid = r.relnamespace
			WHERE n.nspname = `+literal(x.schema)+` AND r.relname = `+literal(h.Name)+` AND a.attnum > 0 AND NOT a.attisdropped AND has_column_privilege(r.oid, a.attnum, 'SELECT')`)
		if err != nil {
			return false, err
		}
		readable := map[string]bool{}
		for _, name := range granted {
			readable[name] = true
		}
		var missing []loadedColumn
		for _, col := range loadedColumns(x.catalog, t) {
			if !readable[col.name] {
				missing = append(missing, col)
			}
		}
		if len(missing) > 0 {
			whole = false
			x.add("table "+x.schema+"."+h.Name, fmt.Errorf("the role cannot read %d of its columns", len(missing)), grantOf(x.schema, x.role, h.Name, missing)+";", false)
		}
	}
	if whole {
		x.add("grants on the columns of schema "+x.schema, nil, "", false)
	}
	return whole, nil
}

// hintOfPG is what an operator can do about a connection.
func hintOfPG(err error) string {
	var e *pgError
	switch {
	case errors.Is(err, ErrDSN):
		return "docs/operations.md, PostgreSQL: what a connection string must say"
	case !errors.As(err, &e):
		return "see the message"
	case e.code == "":
		return "is the server up, and host and port in the connection string right? Over a network its certificate must be valid for the name (sslmode=verify-full)"
	case strings.HasPrefix(e.code, "28"):
		return "the server refuses the login: check role and password in the connection string, and pg_hba.conf"
	case e.code == "3D000":
		return "there is no database of that name on the server"
	case e.code == "53300":
		return "the server or the role has no connection left: raise CONNECTION LIMIT of the role to at least 8"
	}
	return "look the code up in the documentation of PostgreSQL, appendix A, and see the server's log"
}
