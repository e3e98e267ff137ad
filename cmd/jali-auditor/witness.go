package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"jali/audit"
	"jali/audit/witness"
)

// witnessCommand runs a witness. It lies beside the auditor's other commands because the same people run it, on a machine that
// the gateway's operator does not control.
func (a *app) witnessCommand() *cobra.Command {
	var dir, listen, name, page string
	var vkeys []string
	cmd := &cobra.Command{
		Use:   "witness --dir D --listen ADDR --origin-vkeys FILE...",
		Short: "Remember how far logs have come, and cosign what extends it",
		Long: `Run a C2SP tlog-witness. It remembers a size and a root per log and cosigns a checkpoint only if a proof shows that nothing
before was changed. Run it where the gateway's operator has no access.

The first run makes keys and an empty state in D; --name is the witness's name, a host name you control. D/vkeys then holds the two
verifier keys for the quorum files of gateways and verifiers. Keep D/witness.db: a witness that forgets would cosign a rebuilt log.

The protocol needs no TLS of its own to be safe, but put a reverse proxy with TLS before it where strangers could block or spy.`,
		Example: "  jali-auditor witness --dir w --name w.court.example --listen 127.0.0.1:7380 --origin-vkeys gw1.vkeys",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.witness(cmd.Context(), witnessFlags{dir, listen, name, page, vkeys})
		},
	}
	// The record's own flags (--dir of a gateway, --vkeys) mean something else here.
	cmd.Flags().StringVar(&dir, "dir", "", "directory of the witness's keys and state")
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:7380", "address to listen on")
	cmd.Flags().StringVar(&name, "name", "", "name of the witness, on the first run (default: the host name)")
	cmd.Flags().StringArrayVar(&vkeys, "origin-vkeys", nil, "file with a log's verifier keys; repeat it for more logs")
	cmd.Flags().StringVar(&page, "page", "", "directory of a static page to serve besides")
	return cmd
}

type witnessFlags struct {
	dir, listen, name, page string
	vkeys                   []string
}

func (a *app) witness(ctx context.Context, f witnessFlags) error {
	if f.dir == "" || len(f.vkeys) == 0 {
		return usagef("jali-auditor witness --dir D --origin-vkeys FILE", "witness needs --dir and at least one --origin-vkeys")
	}
	var logs []*audit.Keys
	for _, file := range f.vkeys {
		text, err := os.ReadFile(file)
		if err != nil {
			return usagef("name the vkeys file that the custodian published", "read log keys: %w", err)
		}
		keys, err := audit.ReadKeys(text)
		if err != nil {
			return fmt.Errorf("read log keys: %s: %w", file, err)
		}
		logs = append(logs, keys)
	}
	if err := a.readyWitness(f); err != nil {
		return err
	}
	s, err := witness.Open(witness.Config{Dir: f.dir, Logs: logs, Page: f.page, Operator: slog.New(slog.NewTextHandler(a.stderr, nil))})
	if err != nil {
		return err
	}
	defer s.Close()
	if err := os.WriteFile(filepath.Join(f.dir, "vkeys"), []byte(strings.Join(s.VKeys(), "\n")+"\n"), 0o644); err != nil {
		return fmt.Errorf("publish verifier keys: %w", err)
	}
	l, err := net.Listen("tcp", f.listen)
	if err != nil {
		return usagef("choose another --listen", "listen: %w", err)
	}
	fmt.Fprintf(a.stdout, "witness %s\n", s.Name())
	for _, v := range s.VKeys() {
		fmt.Fprintf(a.stdout, "vkey %s\n", v)
	}
	for _, k := range logs {
		fmt.Fprintf(a.stdout, "log %s\n", k.Origin)
	}
	fmt.Fprintf(a.stdout, "listening on http://%s\n", l.Addr())
	return serveWitness(ctx, l, s)
}

// readyWitness makes keys and state on the first run.
func (a *app) readyWitness(f witnessFlags) error {
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		return usagef("name a directory that you may write to", "make directory: %w", err)
	}
	ready, err := witness.Ready(f.dir)
	if err != nil || ready {
		return err
	}
	name := f.name
	if name == "" {
		if name, err = os.Hostname(); err != nil {
			return usagef("give --name", "find host name: %w", err)
		}
	}
	if err := witness.CheckName(name); err != nil {
		return usagef("give --name", "%w", err)
	}
	return witness.Init(f.dir, name)
}

// serveWitness serves until the context ends, then lets requests under way finish: their records are durable either way.
func serveWitness(ctx context.Context, l net.Listener, h http.Handler) error {
	srv := &http.Server{
		Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 8 << 10,
	}
	done := make(chan error, 1)
	go func() {
		<-ctx.Done()
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		done <- srv.Shutdown(drain)
	}()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve witness: %w", err)
	}
	return <-done
}
