package pgwire_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	jaliv1 "jali/proto/jali/v1"
	"jali/sdk"
)

// connect opens a session with Go's client.
func (o office) connect(t *testing.T) *pgconn.PgConn {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(filepath.Join(o.dir, "client.pem"), filepath.Join(o.dir, "client-key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	authority, err := os.ReadFile(filepath.Join(o.dir, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	config, err := pgconn.ParseConfig("postgres://ana@127.0.0.1:" + o.port + "/nhefs?sslmode=require")
	if err != nil {
		t.Fatal(err)
	}
	config.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: x509.NewCertPool(), Certificates: []tls.Certificate{pair}, ServerName: "127.0.0.1"}
	config.TLSConfig.RootCAs.AppendCertsFromPEM(authority)
	config.RuntimeParams["options"] = options
	conn, err := pgconn.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(t.Context()) })
	return conn
}

// one is the first value of a statement.
func one(t *testing.T, conn *pgconn.PgConn, sql string) string {
	t.Helper()
	got, err := conn.Exec(t.Context(), sql).ReadAll()
	if err != nil || len(got) == 0 {
		t.Fatalf("%s: %v", sql, err)
	}
	if rows := got[len(got)-1].Rows; len(rows) > 0 {
		return string(rows[0][0])
	}
	return ""
}

// One gateway, two fronts: what was asked over gRPC is the stored answer over the wire, with the same decision and receipt, free; and a refusal of either is on
// the record.
func TestSamePath(t *testing.T) {
	o := open(t, "off", nil)
	conn := o.connect(t)
	const sql = "SELECT sex, COUNT(*) AS n FROM nhefs WHERE age > 33 GROUP BY sex"
	asked, err := o.Researcher().Query(t.Context(), sdk.Query{SQL: sql, Error: "50"})
	if err != nil {
		t.Fatal(err)
	}
	before := one(t, conn, "SHOW jali.budget")
	got, err := conn.Exec(t.Context(), sql).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for i, row := range got[0].Rows {
		if string(row[1]) != asked.Rows[i][1].String() {
			t.Errorf("row %d: %s over the wire, %s over gRPC", i, row[1], asked.Rows[i][1])
		}
	}
	if d := one(t, conn, "SHOW jali.decision"); d != strconv.FormatUint(asked.Receipt.Intent, 10) {
		t.Errorf("decision %s, want %d", d, asked.Receipt.Intent)
	}
	if r := one(t, conn, "SHOW jali.result"); r != string(asked.Raw) {
		t.Error("the recorded bytes differ")
	}
	if after := one(t, conn, "SHOW jali.budget"); after != before {
		t.Errorf("the stored answer cost: %s, before %s", after, before)
	}
	for _, refused := range []func() error{
		func() error { _, err := conn.Exec(t.Context(), "SELECT wired FROM nhefs").ReadAll(); return err },
		func() error { _, err := conn.Prepare(t.Context(), "x", "SELECT described FROM nhefs", nil); return err },
	} {
		err := refused()
		var e *pgconn.PgError
		if !errors.As(err, &e) || e.Code != "42703" || e.Position != 8 {
			t.Fatalf("%v", err)
		}
		number, _ := strings.CutPrefix(e.Detail, "decision ")
		seq, err := strconv.ParseUint(number, 10, 64)
		if err != nil {
			t.Fatalf("no decision in %q", e.Detail)
		}
		got, err := jaliv1.NewAuditServiceClient(o.Regulator().Conn()).ListEntries(t.Context(), &jaliv1.ListEntriesRequest{From: seq, Limit: 1})
		if err != nil || len(got.GetEntries()) != 1 || !strings.Contains(got.GetEntries()[0].GetHeader(), "REFUSED") {
			t.Errorf("entry %d: %v, %v", seq, got.GetEntries(), err)
		}
	}
}

// TestDescribed: the columns that are announced without running are those of the answer, for every kind of column, and announcing costs nothing.
func TestDescribed(t *testing.T) {
	o := open(t, "off", nil)
	conn := o.connect(t)
	for _, sql := range []string{
		"SELECT COUNT(*) FROM nhefs",
		"SELECT sex, COUNT(*) AS n, AVG(wt71) AS kg, STDDEV(wt71) AS s, VAR_SAMP(age) AS v FROM nhefs GROUP BY sex",
		"SELECT age_band, COUNT(DISTINCT seqn) AS persons FROM nhefs GROUP BY age_band",
		"SELECT CASE WHEN age < 50 THEN 'young' ELSE 'old' END AS of_age, COUNT(*) AS n FROM nhefs GROUP BY 1",
		"SELECT BIN(age, 20, 80, 10) AS decade, COUNT(*) AS n FROM nhefs GROUP BY 1",
		"SELECT * FROM prevalence(outcome => death, by => sex)",
		"SELECT * FROM odds_ratio(exposure => qsmk, outcome => death)",
		"SELECT * FROM histogram(value => age, bins => 6)",
		"SELECT * FROM quantile(value => age, at => 0.5)",
		"SHOW jali.budget",
		"EXPLAIN SELECT COUNT(*) FROM nhefs",
		"SELECT relname, oid FROM pg_catalog.pg_class",
	} {
		for _, intervals := range []string{"off", "on"} {
			one(t, conn, "SET jali.intervals = "+intervals)
			before := one(t, conn, "SHOW jali.budget")
			described, err := conn.Prepare(t.Context(), "", sql, nil)
			if err != nil {
				t.Errorf("%s: describe: %v", sql, err)
				continue
			}
			if after := one(t, conn, "SHOW jali.budget"); after != before {
				t.Errorf("%s: to describe it cost %s of %s", sql, after, before)
			}
			got, err := conn.Exec(t.Context(), sql).ReadAll()
			if err != nil {
				t.Errorf("%s: %v", sql, err)
				continue
			}
			columns := got[len(got)-1].FieldDescriptions
			if len(columns) != len(described.Fields) {
				t.Errorf("%s: %d columns announced, %d given", sql, len(described.Fields), len(columns))
				continue
			}
			for i, c := range columns {
				if d := described.Fields[i]; d.Name != c.Name || d.DataTypeOID != c.DataTypeOID {
					t.Errorf("%s: column %d announced as %s %d, given as %s %d", sql, i, d.Name, d.DataTypeOID, c.Name, c.DataTypeOID)
				}
			}
		}
	}
}
