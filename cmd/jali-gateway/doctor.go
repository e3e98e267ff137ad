package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"jali/audit/store"
	"jali/gateway"
	"jali/gateway/catalog"
	"jali/gateway/query"
	jaliv1 "jali/proto/jali/v1"
)

func doctorCommand() *cobra.Command {
	var dir string
	var open bool
	cmd := &cobra.Command{
		Use:   "doctor --dir D",
		Short: "Check everything and say how to mend it",
		Long: `Check everything and say how to mend it.

While the gateway serves, it is asked. Otherwise its state is opened as a start would open it, which appends an entry to the audit log. Where witnesses cosign
that log doctor only reads, unless --open is given: of a gateway and a copy of it that both append, witnesses end one for good, so never use --open on a copy
or a restored backup while the gateway that it is a copy of may go on (docs/operations.md, backup and restore).`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d := doctor{out: cmd.OutOrStdout(), layout: gateway.Layout(dir), dir: dir, open: open}
			d.examine(cmd.Context())
			if d.bad > 0 {
				return &coded{code: exitFailed, err: fmt.Errorf("%d of %d checks failed", d.bad, d.checks), hint: "follow the hints above, then run doctor again"}
			}
			fmt.Fprintf(d.out, "all %d checks passed\n", d.checks)
			return nil
		},
	}
	dirFlag(cmd, &dir)
	cmd.Flags().BoolVar(&open, "open", false, "open the state of a stopped gateway though witnesses will cosign the entry that this appends")
	return cmd
}

// doctor runs checks and prints one line for each, with a hint when it failed.
type doctor struct {
	out         io.Writer
	layout      gateway.Layout
	dir         string
	open        bool // though the log is witnessed
	checks, bad int
}

func (d *doctor) check(what string, err error, hint string) bool {
	d.checks++
	if err == nil {
		fmt.Fprintf(d.out, "ok    %s\n", what)
		return true
	}
	d.bad++
	fmt.Fprintf(d.out, "FAIL  %s: %v\n      hint: %s\n", what, err, hint)
	return false
}

func (d *doctor) examine(ctx context.Context) {
	d.check("thread stack of at least 8 MiB", query.CheckStack(), "ulimit -s 8192, or LimitSTACK=8M in the unit file")
	cfg, err := loadConfig(d.dir)
	if !d.check("config.yaml", err, "jali-gateway init --dir "+d.dir+" makes a new state directory") {
		return
	}
	d.modes()
	d.check("free disk space", d.space(), "free some space: the gateway stops when a commit fails")
	for _, c := range []string{d.layout.ServerCert(), d.layout.CACert()} {
		d.check("certificate "+filepath.Base(c), valid(c), "issue new ones: docs/operations.md, certificates")
	}
	if answers(d.layout.Socket()) {
		fmt.Fprintln(d.out, "      the gateway is serving: its own view follows")
		var manifests map[string][]byte
		err := withAdmin(ctx, d.dir, func(ctx context.Context, admin jaliv1.AdminServiceClient) error {
			st, err := admin.Status(ctx, &jaliv1.StatusRequest{})
			if err != nil {
				return err
			}
			manifests = st.GetManifests()
			if len(st.GetProblems()) > 0 {
				return errors.New(strings.Join(st.GetProblems(), "; "))
			}
			fmt.Fprintf(d.out, "      log %s, %d entries, policy %.12s, %d datasets\n", st.GetOrigin(), st.GetSize(), st.GetPolicy(), len(st.GetDatasets()))
			return nil
		})
		d.check("the serving gateway", err, "stop it and run doctor again for details")
		d.postgres(ctx, manifests)
		return
	}
	report, err := store.Verify(store.VerifyConfig{Config: d.layout.Log()})
	if d.check("audit log: every stored byte of every entry", err, "stop; keep a copy; docs/operations.md, a broken log") {
		fmt.Fprintf(d.out, "      %s: %d entries, last %s\n", report.Origin, report.Size, report.Last.Format(time.RFC3339))
	}
	d.catalogues()
	if !d.open && d.witnessed() {
		fmt.Fprintln(d.out, "      not opened, so policy, agreements, data versions and engine were not checked: witnesses would cosign the entry that opening appends."+
			"\n      hint: where no gateway with a copy of this directory may go on, doctor --open checks them too")
		return
	}
	// Opening appends an entry, as a start does.
	if !d.check("no other gateway serves a copy of this directory at its address", alone(d.layout, cfg.Listen), twinHint) {
		return
	}
	g, err := gateway.Open(ctx, gateway.Config{Dir: d.dir, Threads: cfg.Engine.Threads, MemoryLimit: cfg.Engine.Memory, Witness: gateway.WitnessConfig(cfg.Witness), Operator: operatorLog(cfg.LogLevel)})
	if !d.check("open: log, policy, agreements, data versions", err, "see the message; docs/operations.md lists the causes") {
		return
	}
	defer g.Close()
	for _, p := range g.Status().Problems {
		d.check("served state", errors.New(p), "import the data again, or put the file back")
	}
	d.postgres(ctx, g.Status().Manifests)
	d.check("engine lock-down: files, extensions, options and writes are refused", g.CheckEngines(ctx), "this build of the engine, or the role in PostgreSQL, is not safe to use")
}

// witnessed reports whether quorum files name witnesses, who remember what is opened here. A file that cannot be looked at counts.
func (d *doctor) witnessed() bool {
	for _, f := range []string{d.layout.SealPolicy(), d.layout.L2Policy()} {
		if _, err := os.Lstat(f); !errors.Is(err, fs.ErrNotExist) {
			return true
		}
	}
	return false
}

// modes checks that nobody else can read keys or state.
func (d *doctor) modes() {
	for _, f := range []string{d.dir, d.layout.Keys(), d.layout.LogKey(), d.layout.PolicyKey(), d.layout.CAKey(), d.layout.ServerKey(), d.layout.DetailFileKey(), d.layout.Audit(), d.layout.DetailKeys()} {
		info, err := os.Stat(f)
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			err = fmt.Errorf("mode is %v", info.Mode().Perm())
		}
		d.check("only the owner can read "+filepath.Base(f), err, "chmod go-rwx "+f)
	}
}

func (d *doctor) space() error {
	var s syscall.Statfs_t
	if err := syscall.Statfs(d.dir, &s); err != nil {
		return err
	}
	if free := s.Bavail * uint64(s.Bsize); free < 1<<30 {
		return fmt.Errorf("%d MiB left", free>>20)
	}
	return nil
}

func (d *doctor) catalogues() {
	files, err := filepath.Glob(filepath.Join(d.layout.Catalogs(), "*.yaml"))
	if err == nil && len(files) == 0 {
		fmt.Fprintf(d.out, "      no dataset yet: put a catalogue in %s (docs/catalog.md)\n", d.layout.Catalogs())
	}
	for _, f := range files {
		_, err := catalog.Load(f)
		d.check("catalogue "+filepath.Base(f), err, "jali-gateway catalog check "+f)
	}
}

func valid(file string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return errors.New("not a PEM file")
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return err
	}
	if left := time.Until(c.NotAfter); left < 14*24*time.Hour {
		return fmt.Errorf("expires %s", c.NotAfter.Format(time.DateOnly))
	}
	return nil
}
