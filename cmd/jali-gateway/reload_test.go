package main

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"jali/gateway"
	"jali/gateway/allowance"
	"jali/gateway/identity"
)

// files puts the keys and certificates of a state directory in place.
func files(t *testing.T, dir string) {
	t.Helper()
	layout := gateway.Layout(dir)
	ca, made, err := identity.NewCA("Test Authority", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	server, err := ca.IssueServer([]string{"localhost"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.MkdirAll(layout.CA(), 0o700), made.Write(layout.CACert(), layout.CAKey()), server.Write(layout.ServerCert(), layout.ServerKey())); err != nil {
		t.Fatal(err)
	}
}

func TestReload(t *testing.T) {
	dir := t.TempDir()
	files(t, dir)
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(dir+"/config.yaml", []byte("format: jali-config/1\n"+text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("")
	cfg, err := loadConfig(dir)
	if err != nil {
		t.Fatal(err)
	}
	trust, err := loadTrust(dir, cfg)
	if err != nil {
		t.Fatal(err)
	}
	rates, err := allowance.New(cfg.Limits.PerSecond, cfg.Limits.Burst)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	r := &reloader{dir: dir, running: cfg, trust: trust, rates: rates, level: new(slog.LevelVar), operator: slog.New(slog.NewTextHandler(&log, nil))}

	write("log_level: WARN\nlisten: 127.0.0.1:1\nengine: {threads: 7}\nidentity: {issuer: 'https://idp.example', audience: x, groups: [{group: g, role: researcher, org: o}]}\n")
	if err := r.reload(); err != nil {
		t.Fatal(err)
	}
	if r.level.Level() != slog.LevelWarn || !trust.TakesTokens() {
		t.Errorf("level %v, takes tokens: %v", r.level.Level(), trust.TakesTokens())
	}
	if want := "listen, engine.threads"; !strings.Contains(log.String(), want) || strings.Contains(log.String(), "identity.") || strings.Contains(log.String(), "keys=\"log_level") {
		t.Errorf("the log does not say %q: %s", want, log.String())
	}

	// One part that cannot be read keeps all as it was.
	for name, text := range map[string]string{
		"yaml": "listen: [\n", "revoked": "log_level: DEBUG\nrevoked: nothing.pem\n", "limits": "log_level: DEBUG\nlimits: {burst: -1}\n",
		"identity": "log_level: DEBUG\nidentity: {issuer: 'http://idp.example', audience: x}\n",
	} {
		write(text)
		if err := r.reload(); err == nil || r.level.Level() != slog.LevelWarn || !trust.TakesTokens() {
			t.Errorf("%s: %v, level %v, takes tokens: %v", name, err, r.level.Level(), trust.TakesTokens())
		}
	}

	log.Reset()
	write("log_level: INFO\nlisten: 127.0.0.1:1\nlimits: {per_second: 0.001, burst: 1}\n")
	if err := r.reload(); err != nil || trust.TakesTokens() {
		t.Errorf("%v, takes tokens: %v", err, trust.TakesTokens())
	}
	ada := identity.Principal{Name: "Ada", Org: "University"}
	if !rates.Allow(ada, time.Now()) || rates.Allow(ada, time.Now()) {
		t.Error("the limits of all ports are not those of the file")
	}
	if !strings.Contains(log.String(), "keys=listen") { // still not in effect
		t.Errorf("a change that still needs a restart is not named: %s", log.String())
	}
}
