package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/goccy/go-yaml"

	"jali/gateway"
)

// config is D/config.yaml. Unknown keys are errors. Secrets are files beside it, never values in it.
type config struct {
	Format string `yaml:"format"` // jali-config/1
	// Listen is the one TLS port for gRPC, REST, Connect and gRPC-Web.
	Listen string `yaml:"listen"`
	// ListenPG is a second TLS port, for programs that speak to PostgreSQL (docs/clients.md); empty: none.
	ListenPG string `yaml:"listen_pg"`
	// Hosts are the names and addresses in the development server certificate.
	Hosts []string `yaml:"hosts"`
	// Metrics is a loopback address for Prometheus and /readyz; empty: none.
	Metrics string        `yaml:"metrics"`
	Engine  engineConfig  `yaml:"engine"`
	Witness witnessConfig `yaml:"witness"`
	// Timestamp names an RFC 3161 authority; without a URL there are no time stamps.
	Timestamp timestampConfig `yaml:"timestamp"`
	// Encrypted bounds the memory of encrypted questions.
	Encrypted encryptedConfig `yaml:"encrypted"`
	// Identity is the OpenID provider whose tokens are taken; without an issuer none are.
	Identity identityConfig `yaml:"identity"`
	// Revoked is a file of certificate revocation lists, relative to the state directory; empty: certificates are not revoked.
	Revoked string `yaml:"revoked"`
	// Connections bounds those of the one TLS port; one address has at most a quarter of them.
	Connections int `yaml:"connections"`
	// Limits bound how fast each principal may call.
	Limits limitsConfig `yaml:"limits"`
	// Traces go to an OpenTelemetry collector; without an endpoint none are made.
	Traces tracesConfig `yaml:"traces"`
	// LogFormat is text or json.
	LogFormat string `yaml:"log_format"`
	// LogLevel is debug, info, warn or error.
	LogLevel slog.Level `yaml:"log_level"`
}

type engineConfig struct {
	Threads int    `yaml:"threads"` // per dataset
	Memory  string `yaml:"memory"`  // per dataset, as DuckDB reads it: 2GB
}

// witnessConfig is how witnesses are asked; who they are stands in seal.policy and l2.policy.
type witnessConfig struct {
	Interval time.Duration `yaml:"interval"` // between rounds while the log grows
	Timeout  time.Duration `yaml:"timeout"`  // for one witness in one round
	Hold     time.Duration `yaml:"hold"`     // how long an answer of level 2 waits before its asker hears "pending"
	Grace    time.Duration `yaml:"grace"`    // how long answers of level 1 go on without a quorum
}

// timestampConfig is how time stamps are obtained.
type timestampConfig struct {
	URL   string        `yaml:"url"`
	CA    string        `yaml:"ca"`    // PEM file, relative to the state directory
	Every time.Duration `yaml:"every"` // between two stamps
}

func (c timestampConfig) in(dir string) gateway.TimestampConfig {
	ca := c.CA
	if !filepath.IsAbs(ca) {
		ca = filepath.Join(dir, ca)
	}
	return gateway.TimestampConfig{URL: c.URL, CA: ca, Min: c.Every}
}

// encryptedConfig is in MiB; zero is the default of gateway.EncryptedConfig.
type encryptedConfig struct {
	Upload int64 `yaml:"upload_mb"` // uploads of all callers
	Caller int64 `yaml:"caller_mb"` // uploads of one caller
	Key    int64 `yaml:"key_mb"`    // registered keys
	Table  int64 `yaml:"table_mb"`  // prepared tables
}

func (c encryptedConfig) limits() gateway.EncryptedConfig {
	return gateway.EncryptedConfig{UploadMemory: c.Upload << 20, PerCaller: c.Caller << 20, KeyMemory: c.Key << 20, TableMemory: c.Table << 20}
}

const configFormat = "jali-config/1"

func defaultConfig() config {
	return config{
		Format: configFormat, Listen: "127.0.0.1:8443", Hosts: []string{"localhost", "127.0.0.1"},
		Engine:    engineConfig{Threads: runtime.NumCPU(), Memory: "2GB"},
		Witness:   witnessConfig{Interval: time.Second, Timeout: 10 * time.Second, Hold: 20 * time.Second, Grace: 4 * time.Hour},
		Timestamp: timestampConfig{Every: 24 * time.Hour},
		Encrypted: encryptedConfig{Upload: 256, Caller: 64, Key: 256, Table: 128},
		Identity:  identityConfig{Skew: 30 * time.Second, Lifetime: time.Hour},
		Limits:    limitsConfig{PerSecond: 50, Burst: 200},
		Traces:    tracesConfig{Sample: 1},
		LogFormat: "text",
	}
}

func loadConfig(dir string) (config, error) {
	c := defaultConfig()
	b, err := os.ReadFile(gateway.Layout(dir).Config())
	if _, old := os.Stat(gateway.Layout(dir).Audit()); old == nil && errors.Is(err, fs.ErrNotExist) {
		return c, usage("an earlier log (D/shards/NAME) is ended, and read with jali-auditor: verify --dir DIR, export --dir DIR; a state directory that lost its config.yaml needs it back", "%s has an audit log and no config.yaml", dir)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return c, usage("make one: jali-gateway init --dir "+dir, "%s is not a state directory", dir)
	}
	if err != nil {
		return c, fmt.Errorf("read config: %w", err)
	}
	if err := yaml.UnmarshalWithOptions(b, &c, yaml.Strict()); err != nil {
		return c, usage("docs/operations.md lists the keys", "config.yaml: %s", yaml.FormatError(err, false, true))
	}
	if c.Format != configFormat {
		return c, usage("the file is from another version: see CHANGELOG", "config.yaml: format is %q, not %q", c.Format, configFormat)
	}
	if c.Connections < 0 {
		return c, usage("docs/operations.md lists the keys", "config.yaml: connections is below 0")
	}
	if c.LogFormat != "text" && c.LogFormat != "json" {
		return c, usage("docs/operations.md lists the keys", "config.yaml: log_format is %q, not text or json", c.LogFormat)
	}
	return c, nil
}

func (c config) write(path string) error {
	b, err := yaml.Marshal(c)
	if err != nil {
		return err
	}
	return os.WriteFile(path, append([]byte("# Jali gateway. docs/operations.md explains every key.\n"), b...), 0o600)
}

// operatorLog writes the operator's log to stderr. It holds no data, no query text and no names.
func operatorLog(level slog.Leveler) *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
}

// log is the operator's log in the configured format, at a level that may change.
func (c config) log(level slog.Leveler) *slog.Logger {
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	}
	return operatorLog(level)
}
