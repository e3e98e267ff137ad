package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// The fence around the role that answers is its grants: settings such as default_transaction_read_only it could undo itself.

// checkFence refuses a role that could write or read beyond the version.
func checkFence(ctx context.Context, c *pgconn.PgConn, schema string) error {
	for _, g := range fences(schema) {
		found, err := pgTexts(ctx, c, g.sql)
		if err != nil {
			return err
		}
		if g.deny && len(found) > 0 {
			return fmt.Errorf("%w: %s", ErrFence, g.what)
		}
	}
	return nil
}

// fence is something a role ought not to be able to do. sql lists what it can, mend is the statement that takes it away.
type fence struct {
	what string
	deny bool // the engine does not work with such a role; otherwise it is only told of
	sql  string
	mend string // %s: one of the list; %r: the role
}

// dangerous are PostgreSQL's own roles that reach files, programs or every table.
const dangerous = `'pg_read_all_data', 'pg_write_all_data', 'pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program'`

func fences(schema string) []fence {
	s := literal(schema)
	return []fence{
		{
			what: "the role is a superuser: no grant holds it", deny: true,
			sql: "SELECT 'x' FROM pg_roles WHERE rolname = current_user AND rolsuper", mend: "ALTER ROLE %r NOSUPERUSER",
		},
		{
			what: "the role is a member of a role that reaches files, programs or every table, or can become one", deny: true,
			sql: "SELECT quote_ident(rolname) FROM pg_roles WHERE (rolname IN (" + dangerous + ") OR rolname <> current_user AND (rolsuper OR rolcreaterole OR rolreplication))" +
				" AND pg_has_role(current_user, oid, 'MEMBER')",
			mend: "REVOKE %s FROM %r",
		},
		{
			what: "the role can change the version's tables, or owns them", deny: true,
			sql: `SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
				WHERE n.nspname = ` + s + ` AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND (pg_has_role(current_user, c.relowner, 'MEMBER')
				OR has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER') OR has_any_column_privilege(c.oid, 'INSERT, UPDATE'))`,
			mend: "REVOKE INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER ON %s FROM %r, PUBLIC",
		},
		{
			what: "the role can make things in the version's schema", deny: true,
			sql: "SELECT quote_ident(nspname) FROM pg_namespace WHERE nspname = " + s + " AND has_schema_privilege(oid, 'CREATE')", mend: "REVOKE CREATE ON SCHEMA %s FROM %r, PUBLIC",
		},
		{
			// Before PostgreSQL 16, who can make roles can become a member of every one but superusers.
			what: "the role can make roles, or replicate", deny: true,
			sql:  "SELECT 'x' FROM pg_roles WHERE rolname = current_user AND NOT rolsuper AND (rolcreaterole OR rolreplication)",
			mend: "ALTER ROLE %r NOCREATEROLE NOREPLICATION",
		},
		{
			what: "the role can make databases, or pass row security by",
			sql:  "SELECT 'x' FROM pg_roles WHERE rolname = current_user AND NOT rolsuper AND (rolcreatedb OR rolbypassrls)",
			mend: "ALTER ROLE %r NOCREATEDB NOBYPASSRLS",
		},
		{
			what: "the role can make things in other schemas",
			sql:  "SELECT quote_ident(nspname) FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> " + s + " AND has_schema_privilege(oid, 'CREATE')",
			mend: "REVOKE CREATE ON SCHEMA %s FROM %r, PUBLIC",
		},
		{
			what: "the role can read tables of other schemas, or columns of them",
			sql: `SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
				WHERE n.nspname NOT IN (` + s + `, 'pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\_toast%' AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
				AND NOT n.nspname LIKE 'jali\_%' AND has_schema_privilege(n.oid, 'USAGE')
				AND (has_table_privilege(c.oid, 'SELECT') OR has_any_column_privilege(c.oid, 'SELECT')) ORDER BY 1 LIMIT 20`,
			mend: "REVOKE ALL ON %s FROM %r, PUBLIC",
		},
	}
}

// pgTexts runs a statement of ours and lists its one column.
func pgTexts(ctx context.Context, c *pgconn.PgConn, sql string) ([]string, error) {
	results, err := c.Exec(ctx, sql).ReadAll()
	if err != nil {
		return nil, pgFault(ctx, "read database catalogue", err)
	}
	var out []string
	for _, r := range results {
		for _, row := range r.Rows {
			out = append(out, string(row[0]))
		}
	}
	return out, nil
}

// forbiddenPG are statements that the role must not be able to run. %s is the version's first table.
var forbiddenPG = []string{
	"SELECT pg_read_file('PG_VERSION')",
	"COPY (SELECT 1) TO '/dev/null'",
	"COPY (SELECT 1) TO PROGRAM 'cat'",
	"SELECT lo_import('/dev/null')",
	"INSERT INTO %s DEFAULT VALUES",
	"DELETE FROM %s",
	"TRUNCATE %s",
	"DROP TABLE %s",
	"ALTER TABLE %s DISABLE TRIGGER ALL",
	"CREATE TABLE door (a INTEGER)",
	"CREATE ROLE door",
}

// checkLockdown tries what the grants must refuse, each in a transaction that could write and is rolled back.
func (p *postgres) checkLockdown(ctx context.Context) error {
	if len(p.version.Tables) == 0 {
		return nil
	}
	for _, form := range forbiddenPG {
		var ran bool
		err := p.pool.session(ctx, "SELECT 1", func(c *pgconn.PgConn, _ [][][]byte) error {
			if _, err := c.Exec(ctx, "COMMIT; BEGIN READ WRITE").ReadAll(); err != nil {
				return pgFault(ctx, "check lock-down", err)
			}
			_, err := c.Exec(ctx, strings.ReplaceAll(form, "%s", quote(p.version.Tables[0].Name))).ReadAll()
			ran = err == nil
			return errFinished
		})
		if ran {
			return fmt.Errorf("%w: PostgreSQL ran %q", ErrOpenDoor, form)
		}
		if !errors.Is(err, errFinished) {
			return fmt.Errorf("check lock-down: %w", err)
		}
	}
	return nil
}

// errFinished ends a session whose connection, and with it the transaction, is thrown away.
var errFinished = errors.New("finished")
