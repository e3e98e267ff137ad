package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"jali/gateway"
	"jali/gateway/identity"
)

func consoleCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "console", Short: "Open the browser console of a serving gateway"}
	var dir, name, role, org, client, endpoint string
	link := &cobra.Command{
		Use:   "link --dir D (--client DIR | --role ROLE [--name NAME] [--org ORG])",
		Short: "Print a link that signs a browser in: once, within five minutes",
		Long: `Print a link that signs a browser in, once, within five minutes. The session is that of a client certificate: the one in --client, as
"client new" wrote it, whose private key is needed; or, for development, a fresh one of the given role. The gateway must be serving.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			pair, err := linkCertificate(dir, client, name, org, identity.Role(role))
			if err != nil {
				return err
			}
			url, expires, err := consoleLink(cmd.Context(), dir, endpoint, pair)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s\nopens once, until %s\n", url, expires.Local().Format(time.TimeOnly))
			return nil
		},
	}
	dirFlag(link, &dir)
	f := link.Flags()
	f.StringVar(&client, "client", "", "directory with client.pem and client-key.pem")
	f.StringVar(&role, "role", "", "researcher, regulator or custodian: sign in with a fresh development certificate")
	f.StringVar(&name, "name", "console", "the person, as agreements name it (with --role)")
	f.StringVar(&org, "org", "Development", "organisation, as agreements name parties (with --role)")
	f.StringVar(&endpoint, "endpoint", "", "address of the gateway (default: where it listens)")
	link.MarkFlagsMutuallyExclusive("client", "role")
	link.MarkFlagsOneRequired("client", "role")
	cmd.AddCommand(link)
	return cmd
}

// linkCertificate is the certificate that a session is to have.
func linkCertificate(dir, client, name, org string, role identity.Role) (tls.Certificate, error) {
	if client != "" {
		pair, err := tls.LoadX509KeyPair(filepath.Join(client, "client.pem"), filepath.Join(client, "client-key.pem"))
		if err != nil {
			return pair, usage("--client is a directory that jali-gateway client new has written", "read client certificate: %w", err)
		}
		return pair, nil
	}
	if _, err := identity.ParseRole(string(role)); err != nil {
		return tls.Certificate{}, usage("--role researcher, regulator or custodian", "unknown role %q", role)
	}
	layout := gateway.Layout(dir)
	ca, err := identity.LoadCA(layout.CACert(), layout.CAKey())
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("load development CA: %w", err)
	}
	made, err := ca.IssueClient(name, org, role, time.Now())
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("issue certificate: %w", err)
	}
	return made.TLS()
}

// consoleLink asks a serving gateway for a one-time link as the holder of a certificate.
func consoleLink(ctx context.Context, dir, endpoint string, pair tls.Certificate) (url string, expires time.Time, err error) {
	layout := gateway.Layout(dir)
	if endpoint == "" {
		b, err := os.ReadFile(layout.Endpoint())
		if err != nil {
			return "", expires, &coded{code: exitFailed, err: errors.New("the gateway is not serving"), hint: "start it: jali-gateway serve --dir " + dir}
		}
		endpoint = strings.TrimSpace(string(b))
	}
	authority, err := os.ReadFile(layout.CACert())
	if err != nil {
		return "", expires, fmt.Errorf("read authority: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	web := &http.Client{
		Timeout:   20 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: roots, Certificates: []tls.Certificate{pair}}, ForceAttemptHTTP2: true},
	}
	defer web.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint+"/console/link", nil)
	if err != nil {
		return "", expires, usage("--endpoint is like https://localhost:8443", "endpoint: %w", err)
	}
	response, err := web.Do(request)
	if err != nil {
		return "", expires, fmt.Errorf("ask the gateway for a link: %w", err)
	}
	defer response.Body.Close()
	var said struct {
		Path    string    `json:"path"`
		Expires time.Time `json:"expires"`
		Message string    `json:"message"`
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, 1<<16)).Decode(&said); err != nil || response.StatusCode != http.StatusOK || said.Path == "" {
		return "", expires, &coded{code: exitFailed, err: fmt.Errorf("the gateway gives no link: %s %s", response.Status, said.Message), hint: "the certificate must be valid and of this gateway's authority"}
	}
	return endpoint + said.Path, said.Expires, nil
}
