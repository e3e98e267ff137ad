package engine

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
)

// ErrDSN: a connection string cannot be used. It is wrapped without the string, which may hold a password.
var ErrDSN = errors.New("connection string cannot be used")

// Secret says where the connection string of a PostgreSQL role stands: in a file that others cannot read, or in an environment
// variable. The string itself is read when a connection is made and kept nowhere else.
type Secret struct {
	File string `json:"dsn_file,omitempty"`
	Env  string `json:"dsn_env,omitempty"`
}

// IsZero reports whether the secret names nothing.
func (s Secret) IsZero() bool { return s == Secret{} }

func (s Secret) String() string {
	if s.File != "" {
		return "file " + s.File
	}
	return "environment variable " + s.Env
}

func (s Secret) read() (string, error) {
	if (s.File == "") == (s.Env == "") {
		return "", fmt.Errorf("%w: name either a file or an environment variable", ErrDSN)
	}
	if s.Env != "" {
		text, set := os.LookupEnv(s.Env)
		if !set || text == "" {
			return "", fmt.Errorf("%w: environment variable %s is not set", ErrDSN, s.Env)
		}
		return text, nil
	}
	info, err := os.Stat(s.File)
	if err != nil {
		return "", fmt.Errorf("%w: file %s cannot be read", ErrDSN, s.File)
	}
	if info.Mode().Perm()&0o007 != 0 {
		return "", fmt.Errorf("%w: others can read %s: chmod o-rwx it", ErrDSN, s.File)
	}
	text, err := os.ReadFile(s.File)
	if err != nil || strings.TrimSpace(string(text)) == "" {
		return "", fmt.Errorf("%w: file %s is empty or cannot be read", ErrDSN, s.File)
	}
	return strings.TrimSpace(string(text)), nil
}

// connectTimeout bounds how long one address is tried.
const connectTimeout = 10 * time.Second

// settings are made at the start of each connection. They are a second line behind the grants: the role could undo them, but
// only statements of the engine reach it.
var settings = map[string]string{
	"application_name": "jali-gateway", "client_encoding": "UTF8", "standard_conforming_strings": "on", "datestyle": "ISO, YMD", "timezone": "UTC",
	"jit": "off", "synchronize_seqscans": "off", "client_connection_check_interval": "2s", "row_security": "off",
	"idle_in_transaction_session_timeout": "10min",
}

// config reads and checks the connection string. schema is where unqualified names are found, before PostgreSQL's own, so that
// a table of the catalogue is never taken for one of those, nor one of pg_temp for a table.
func (s Secret) config(schema string, readOnly bool) (*pgconn.Config, error) {
	text, err := s.read()
	if err != nil {
		return nil, err
	}
	cfg, err := pgconn.ParseConfig(text)
	if err != nil { // its message may quote the string
		return nil, fmt.Errorf("%w: the %s does not hold a connection string (host=... dbname=... user=..., or postgres://...)", ErrDSN, s)
	}
	if err := encrypted(cfg); err != nil {
		return nil, fmt.Errorf("%w (in the %s)", err, s)
	}
	for name, value := range settings {
		cfg.RuntimeParams[name] = value
	}
	if schema != "" {
		cfg.RuntimeParams["search_path"] = quote(schema) + ", pg_catalog, pg_temp"
	} else {
		cfg.RuntimeParams["search_path"] = "pg_catalog, pg_temp"
	}
	if readOnly {
		cfg.RuntimeParams["default_transaction_read_only"] = "on"
	}
	if cfg.ConnectTimeout == 0 || cfg.ConnectTimeout > connectTimeout {
		cfg.ConnectTimeout = connectTimeout
	}
	// A context that ends cancels the statement on the server; only if that fails is the connection torn down.
	cfg.BuildContextWatcherHandler = func(c *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: c, DeadlineDelay: 2 * time.Second}
	}
	cfg.OnNotice = func(*pgconn.PgConn, *pgconn.Notice) {}
	return cfg, nil
}

// encrypted refuses every way over a network that does not verify the server's certificate and name.
func encrypted(cfg *pgconn.Config) error {
	hosts := []*pgconn.FallbackConfig{{Host: cfg.Host, TLSConfig: cfg.TLSConfig}}
	for _, h := range append(hosts, cfg.Fallbacks...) {
		if isLocal(h.Host) {
			continue
		}
		if h.TLSConfig == nil || h.TLSConfig.InsecureSkipVerify {
			return fmt.Errorf("%w: over a network it must say sslmode=verify-full, with sslrootcert=FILE for an authority of your own", ErrDSN)
		}
	}
	return nil
}

// isLocal reports whether a host is this machine: a socket's folder, or a loopback address.
func isLocal(host string) bool {
	if filepath.IsAbs(host) || strings.HasPrefix(host, "@") || host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}
