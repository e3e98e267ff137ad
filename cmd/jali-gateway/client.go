package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"jali/gateway"
	"jali/gateway/identity"
)

func clientCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "client", Short: "Issue development client certificates"}
	var dir, name, role, org, out, endpoint string
	add := &cobra.Command{
		Use:   "new --dir D --name NAME --role researcher|regulator|custodian --org ORG --out DIR",
		Short: "Issue a development client certificate with a profile for jali and jali-auditor",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			used, err := issueClient(dir, name, org, identity.Role(role), out, endpoint)
			if err != nil {
				return err
			}
			program := "jali"
			if role == string(identity.Regulator) {
				program = "jali-auditor"
			}
			fmt.Fprintf(cmd.OutOrStdout(), "certificate of %s (%s, %s) in %s, valid %d days\nuse it:  %s --profile %s ...   (gateway: %s; --endpoint if it listens elsewhere)\n",
				name, role, org, out, int(identity.ClientLife.Hours()/24), program, filepath.Join(out, "profile.yaml"), used)
			return nil
		},
	}
	dirFlag(add, &dir)
	f := add.Flags()
	f.StringVar(&name, "name", "", "the person or program, as agreements name it")
	f.StringVar(&role, "role", "", "researcher, regulator or custodian")
	f.StringVar(&org, "org", "", "organisation, as agreements name parties")
	f.StringVar(&out, "out", "", "directory for the files, made if absent")
	f.StringVar(&endpoint, "endpoint", "", "address in the profile (default https:// and the configured listen address)")
	for _, r := range []string{"name", "role", "org", "out"} {
		add.MarkFlagRequired(r)
	}
	cmd.AddCommand(add)
	return cmd
}

// profile is the file of jali and jali-auditor with one profile in it.
type profile struct {
	Default  string                   `yaml:"default"`
	Profiles map[string]profileClient `yaml:"profiles"`
}

type profileClient struct {
	Endpoint string `yaml:"endpoint"`
	CA       string `yaml:"ca"`
	Cert     string `yaml:"cert"`
	Key      string `yaml:"key"`
	VKeys    string `yaml:"vkeys"`
}

func issueClient(dir, name, org string, role identity.Role, out, endpoint string) (used string, err error) {
	cfg, err := loadConfig(dir)
	if err != nil {
		return "", err
	}
	switch role {
	case identity.Researcher, identity.Regulator, identity.Custodian:
	default:
		return "", usage("--role researcher, regulator or custodian", "unknown role %q", role)
	}
	if strings.TrimSpace(name) == "" || strings.TrimSpace(org) == "" {
		return "", usage("agreements name both", "name and organisation must not be empty")
	}
	layout := gateway.Layout(dir)
	ca, err := identity.LoadCA(layout.CACert(), layout.CAKey())
	if err != nil {
		return "", fmt.Errorf("load development CA: %w", err)
	}
	cred, err := ca.IssueClient(name, org, role, time.Now())
	if err != nil {
		return "", fmt.Errorf("issue certificate: %w", err)
	}
	if out, err = filepath.Abs(out); err != nil {
		return "", err
	}
	if err := os.MkdirAll(out, 0o700); err != nil {
		return "", err
	}
	file := func(n string) string { return filepath.Join(out, n) }
	if err := cred.Write(file("client.pem"), file("client-key.pem")); err != nil {
		return "", fmt.Errorf("write certificate (an existing one is never overwritten): %w", err)
	}
	if err := os.WriteFile(file("ca.pem"), ca.Certificate(), 0o644); err != nil {
		return "", err
	}
	vkeys, err := os.ReadFile(layout.VKeys())
	if err != nil {
		return "", fmt.Errorf("read log keys: %w", err)
	}
	if err := os.WriteFile(file("vkeys"), vkeys, 0o644); err != nil {
		return "", err
	}
	if endpoint == "" {
		endpoint = "https://" + cfg.Listen
		if b, err := os.ReadFile(layout.Endpoint()); err == nil {
			endpoint = strings.TrimSpace(string(b))
		}
	}
	b, err := yaml.Marshal(profile{Default: name, Profiles: map[string]profileClient{name: {
		Endpoint: endpoint, CA: file("ca.pem"), Cert: file("client.pem"), Key: file("client-key.pem"), VKeys: file("vkeys"),
	}}})
	if err != nil {
		return "", err
	}
	return endpoint, os.WriteFile(file("profile.yaml"), b, 0o600)
}
