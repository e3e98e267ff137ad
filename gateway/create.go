package gateway

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"jali/audit/store"
	"jali/gateway/identity"
	"jali/policy"
)

// InitConfig says what Init makes.
type InitConfig struct {
	Dir      string
	Origin   string   // of the audit log, e.g. audit.example.gov/gw1/2027
	Hosts    []string // names and addresses of the server certificate
	Now      func() time.Time
	Operator *slog.Logger
}

// Init makes a state directory: development CA and server certificate, policy signing key, audit log with its GENESIS entry,
// and the default policy as the first POLICY entry. It never touches an existing one. A crash leaves a directory without
// audit.db, which Open refuses; remove it and start again.
func Init(ctx context.Context, cfg InitConfig) error {
	d := Layout(cfg.Dir)
	if entries, err := os.ReadDir(cfg.Dir); err == nil && len(entries) > 0 {
		return fmt.Errorf("init %s: the directory is not empty: %w", cfg.Dir, fs.ErrExist)
	}
	for _, dir := range []string{cfg.Dir, d.Keys(), d.CA(), d.Catalogs(), filepath.Join(cfg.Dir, "data"), filepath.Join(cfg.Dir, "policy"), d.Scratch()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("init: %w", err)
		}
	}
	now := cfg.Now()
	ca, cred, err := identity.NewCA("Jali development CA", now)
	if err != nil {
		return fmt.Errorf("init: make certificate authority: %w", err)
	}
	if err := cred.Write(d.CACert(), d.CAKey()); err != nil {
		return fmt.Errorf("init: write certificate authority: %w", err)
	}
	server, err := ca.IssueServer(cfg.Hosts, now)
	if err != nil {
		return fmt.Errorf("init: issue server certificate: %w", err)
	}
	if err := server.Write(d.ServerCert(), d.ServerKey()); err != nil {
		return fmt.Errorf("init: write server certificate: %w", err)
	}
	bundle, err := firstPolicy(d)
	if err != nil {
		return fmt.Errorf("init: default policy: %w", err)
	}
	log := d.Log()
	log.Now = cfg.Now
	if err := store.Create(store.CreateConfig{Config: log, Origin: cfg.Origin, Why: "new"}); err != nil {
		return fmt.Errorf("init: create audit log: %w", err)
	}
	g, err := Open(ctx, Config{Dir: cfg.Dir, Now: cfg.Now, Operator: cfg.Operator})
	if err != nil {
		return fmt.Errorf("init: %w", err)
	}
	_, err = g.ActivatePolicy(ctx, bundle, "init")
	return errors.Join(err, g.Close())
}

// firstPolicy makes the policy signing key and signs the compiled-in bundle with it.
func firstPolicy(d Layout) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return nil, err
	}
	privatePEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	publicPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	if err := writeSynced(d.PolicyKey(), privatePEM); err != nil {
		return nil, err
	}
	if err := writeSynced(d.PolicyVerifyKey(), publicPEM); err != nil {
		return nil, err
	}
	return policy.Build(policy.Source(), key)
}

// openLog opens the audit log of a state directory with its recovery; admit is asked before anything is appended.
func openLog(d Layout, cfg Config, admit func(*store.Store) error) (*store.Store, error) {
	c := d.Log()
	c.Now, c.Logger, c.Admit = cfg.Now, cfg.Operator, admit
	return store.Open(c)
}

func syncDir(path string) error {
	f, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
