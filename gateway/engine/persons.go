package engine

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"

	"jali/gateway/catalog"
)

// A person's ordinal must be the same in every table, also when some tables are imported later than others. persons.duckdb
// keeps, for every person ever imported into the dataset, the first 128 bits of SHA-256(secret, key, secret) and the ordinal;
// the secret lies beside it in persons.key. Ordinals are only ever added: an import that fails after this file was replaced
// leaves ordinals that nobody uses. The serving engine never opens either file.
const (
	personsFile = "persons.duckdb"
	secretFile  = "persons.key"
)

// maxPersons is the number of ordinals an INTEGER holds.
const maxPersons = math.MaxInt32

// personSecret reads the key of the digests, or makes it for a new dataset.
func personSecret(dir string) (string, error) {
	path := filepath.Join(dir, secretFile)
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		if _, err := os.Stat(filepath.Join(dir, personsFile)); err == nil {
			return "", fmt.Errorf("%s is there but %s is not: restore it from a backup, or remove both and import every table again", personsFile, secretFile)
		}
		var b [32]byte
		if _, err := rand.Read(b[:]); err != nil {
			return "", err
		}
		secret := hex.EncodeToString(b[:])
		return secret, writeSynced(path, []byte(secret+"\n"))
	case err != nil:
		return "", err
	}
	secret := strings.TrimSpace(string(text))
	if b, err := hex.DecodeString(secret); err != nil || len(b) != 32 {
		return "", fmt.Errorf("%s is damaged: restore it from a backup", secretFile)
	}
	return secret, nil
}

// numberPersons gives every person key in staging an ordinal: tables "person" (key, p) in staging and the grown register, a
// new file in work that the caller moves into place. It returns how many ordinals are in use.
func numberPersons(ctx context.Context, c *connection, dir, work string, tables []*catalog.Table) (persons int64, err error) {
	secret, err := personSecret(dir)
	if err != nil {
		return 0, err
	}
	var keys []string
	typ := "BIGINT"
	for _, t := range tables {
		if t.Public || t.Via != nil {
			continue
		}
		key := t.Column(t.PersonKey)
		if key.Type == catalog.Text {
			typ = "VARCHAR"
		}
		keys = append(keys, "SELECT "+quote(key.Name)+" AS key FROM "+stagedName(t))
	}
	if len(keys) == 0 {
		keys = []string{"SELECT NULL::BIGINT AS key WHERE false"}
	}
	if err := c.execAll(ctx,
		"ATTACH "+literal(filepath.Join(work, personsFile))+" AS register",
		"CREATE TABLE register.person (hi UBIGINT, lo UBIGINT, p INTEGER)",
		"CREATE TABLE staging._key (key "+typ+")",
		"INSERT INTO staging._key SELECT DISTINCT key FROM ("+strings.Join(keys, " UNION ALL ")+")",
	); err != nil {
		return 0, err
	}
	if _, err := os.Stat(filepath.Join(dir, personsFile)); err == nil {
		if err := c.execAll(ctx,
			"ATTACH "+literal(filepath.Join(dir, personsFile))+" AS known (READ_ONLY)",
			"INSERT INTO register.person SELECT hi, lo, p FROM known.person ORDER BY p",
			"DETACH known",
		); err != nil {
			return 0, fmt.Errorf("read %s: %w", personsFile, err)
		}
	}
	// The digest's text form is parsed in two halves: DuckDB has no binary digest function.
	if err := c.exec(ctx, `CREATE TABLE staging._tag AS
		SELECT key, ('0x' || h[1:16])::UBIGINT AS hi, ('0x' || h[17:32])::UBIGINT AS lo
		FROM (SELECT key, sha256(? || key::VARCHAR || ?) AS h FROM staging._key)`, secret, secret); err != nil {
		return 0, err
	}
	before, err := count(ctx, c, "SELECT coalesce(max(p) + 1, 0)::BIGINT FROM register.person")
	if err != nil {
		return 0, err
	}
	fresh, err := count(ctx, c, "SELECT count(*) FROM staging._tag t WHERE NOT EXISTS (SELECT 1 FROM register.person r WHERE r.hi = t.hi AND r.lo = t.lo)")
	if err != nil {
		return 0, err
	}
	if before+fresh > maxPersons {
		return 0, fmt.Errorf("more than %d persons", int64(maxPersons))
	}
	if err := c.exec(ctx, `INSERT INTO register.person
		SELECT hi, lo, (? + row_number() OVER (ORDER BY hi, lo) - 1)::INTEGER FROM staging._tag t
		WHERE NOT EXISTS (SELECT 1 FROM register.person r WHERE r.hi = t.hi AND r.lo = t.lo)`, before); err != nil {
		return 0, err
	}
	return before + fresh, c.execAll(ctx,
		"CREATE TABLE staging._person AS SELECT t.key, r.p FROM staging._tag t JOIN register.person r ON r.hi = t.hi AND r.lo = t.lo",
		"DROP TABLE staging._key", "DROP TABLE staging._tag",
		"CHECKPOINT register", "DETACH register",
	)
}

// count runs a query of one number.
func count(ctx context.Context, c *connection, sql string, args ...any) (int64, error) {
	rows, err := c.query(ctx, sql, args...)
	if err != nil {
		return 0, err
	}
	defer rows.close()
	all, err := rows.int64s(1)
	if err != nil {
		return 0, err
	}
	if len(all) != 1 {
		return 0, errors.New("read count: not one row")
	}
	return all[0][0], nil
}
