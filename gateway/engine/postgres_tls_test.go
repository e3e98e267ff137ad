package engine

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"jali/gateway/engine/pgtest"
)

// testTLS: with verify-full a connection is encrypted, and a server whose certificate is of another authority or name gets no password.
func testTLS(t *testing.T, a *agency) {
	ca, other := newAuthority(t), newAuthority(t)
	cert, key := filepath.Join(a.Dir(), "server.pem"), filepath.Join(a.Dir(), "server.key")
	ca.issue(t, "localhost", cert, key)
	a.Own(t, cert)
	a.Own(t, key)
	a.SQL(t, "postgres", fmt.Sprintf("ALTER SYSTEM SET ssl_cert_file = '%s'", cert))
	a.SQL(t, "postgres", fmt.Sprintf("ALTER SYSTEM SET ssl_key_file = '%s'", key))
	a.SQL(t, "postgres", "ALTER SYSTEM SET ssl = on")
	a.SQL(t, "postgres", "SELECT pg_reload_conf()")
	for range 100 {
		if a.SQL(t, "postgres", "SHOW ssl") == "on" {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	for _, c := range []struct {
		name, host string
		ca         *authority
		good       bool
	}{{"right", "localhost", ca, true}, {"another authority", "localhost", other, false}, {"another name", "127.0.0.1", ca, false}} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "dsn")
			dsn := fmt.Sprintf("host=%s port=%d user=jali_reader password=%s dbname=agency sslmode=verify-full sslrootcert=%s", c.host, a.Port(), pgtest.Password, c.ca.file)
			if err := os.WriteFile(file, []byte(dsn), 0o600); err != nil {
				t.Fatal(err)
			}
			pool := newPGPool(Secret{File: file}, "")
			defer pool.close()
			encrypted := ""
			err := pool.session(t.Context(), "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", func(_ *pgconn.PgConn, rows [][][]byte) error {
				encrypted = string(rows[0][0])
				return nil
			})
			var fault *pgError
			switch {
			case c.good && (err != nil || encrypted != "t"):
				t.Fatalf("encrypted %q, %v", encrypted, err)
			case !c.good && !errors.As(err, &fault):
				t.Fatalf("accepted: %v", err)
			}
		})
	}
}

// authority signs certificates for a test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{key: key, file: filepath.Join(t.TempDir(), "ca.pem")}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	writePEM(t, a.file, "CERTIFICATE", der)
	return a
}

func (a *authority) issue(t *testing.T, host, certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(2), DNSNames: []string{host}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, certFile, "CERTIFICATE", der)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, keyFile, "PRIVATE KEY", private)
}

func writePEM(t *testing.T, path, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}
