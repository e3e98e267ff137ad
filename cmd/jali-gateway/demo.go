package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"jali/examples"
	"jali/gateway"
	"jali/gateway/identity"
	"jali/gateway/synth"
	jaliv1 "jali/proto/jali/v1"
)

func demoCommand() *cobra.Command {
	var persons int
	var keep bool
	cmd := &cobra.Command{
		Use:   "demo [--persons N] [--serve]",
		Short: "Show the whole path in a throw-away directory, with the real programs",
		Long: `Make a gateway in a throw-away directory, import real data (NHEFS, 1,629 persons, public domain) and a generated insurance
scheme, and ask it questions with jali and jali-auditor, which must lie beside this program. With --serve it goes on serving.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return demo(cmd.Context(), cmd.OutOrStdout(), persons, keep)
		},
	}
	cmd.Flags().IntVar(&persons, "persons", 10_000, "persons of the generated scheme")
	cmd.Flags().BoolVar(&keep, "serve", false, "go on serving until interrupted, and say how to connect")
	return cmd
}

func demo(ctx context.Context, out io.Writer, persons int, keep bool) (err error) {
	t, err := newTour(out)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(t.tmp)) }()
	if err := t.prepare(ctx, persons); err != nil {
		return err
	}
	serving, cancel := context.WithCancel(ctx)
	defer cancel()
	ready, done := make(chan string, 1), make(chan error, 1)
	pg, postgres := "", make(chan string, 1)
	if keep {
		pg = "127.0.0.1:0"
	}
	go func() {
		done <- serve(serving, t.dir, "127.0.0.1:0", pg, io.Discard, told{func(e string) { ready <- e }, func(addr string) { postgres <- addr }})
	}()
	select {
	case t.endpoint = <-ready:
	case err := <-done:
		return fmt.Errorf("serve: %w", err)
	}
	if err := t.clients(); err != nil {
		return err
	}
	if err := t.walk(ctx); err != nil {
		return err
	}
	if keep {
		fmt.Fprintf(out, "\nserving on %s until interrupted; in another shell:\nprograms    export PATH=%s:$PATH\nresearcher  jali --profile %s catalog\nregulator   jali-auditor list --profile %s\n",
			t.endpoint, t.bin, t.profile("researcher"), t.profile("regulator"))
		select {
		case addr := <-postgres:
			if err := t.psql(addr); err != nil {
				return err
			}
		case err := <-done:
			return fmt.Errorf("serve: %w", err)
		}
		if err := t.console(ctx); err != nil {
			return err
		}
		<-ctx.Done()
	} else {
		fmt.Fprintf(out, "The browser console was at %s/console/ : make demo SERVE=1 goes on serving, and prints a link that opens it in each role.\n", t.endpoint)
	}
	cancel()
	if err := <-done; err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

// tour runs the demonstration's steps and checks that each ends as it should.
type tour struct {
	out           io.Writer
	tmp, dir, bin string
	endpoint      string
	step          int
}

func newTour(out io.Writer) (*tour, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	bin := filepath.Dir(exe)
	for _, p := range []string{"jali", "jali-auditor"} {
		if _, err := os.Stat(filepath.Join(bin, p)); err != nil {
			return nil, &coded{code: exitFailed, err: fmt.Errorf("%s is not beside this program", p), hint: "build all three: make build"}
		}
	}
	tmp, err := os.MkdirTemp("", "jali-demo-")
	if err != nil {
		return nil, err
	}
	return &tour{out: out, tmp: tmp, dir: filepath.Join(tmp, "state"), bin: bin}, nil
}

func (t *tour) profile(role string) string { return filepath.Join(t.tmp, role, "profile.yaml") }

func (t *tour) say(format string, args ...any) {
	t.step++
	fmt.Fprintf(t.out, "\n== %d. %s\n", t.step, fmt.Sprintf(format, args...))
}

// prepare makes the state directory, data, agreements and budgets.
func (t *tour) prepare(ctx context.Context, persons int) error {
	t.say("A state directory: keys, development CA, audit log, policy")
	cfg := defaultConfig()
	cfg.LogLevel = 4 // warnings: the tour's own output is the show
	if err := gateway.Init(ctx, gateway.InitConfig{Dir: t.dir, Origin: "demo.example/jali/1", Hosts: cfg.Hosts, Now: time.Now, Operator: operatorLog(cfg.LogLevel)}); err != nil {
		return err
	}
	layout := gateway.Layout(t.dir)
	if err := cfg.write(layout.Config()); err != nil {
		return err
	}

	t.say("Data: NHEFS (real, 1,629 persons) and a generated insurance scheme of %d persons", persons)
	nhefs := filepath.Join(t.tmp, "nhefs.csv.gz")
	scheme := filepath.Join(t.tmp, "scheme")
	files, err := writeSynth(ctx, scheme, synth.Config{Persons: persons, Seed: 1}, progress(os.Stderr))
	if err != nil {
		return err
	}
	catalogue, err := os.ReadFile(filepath.Join(scheme, "catalog.yaml"))
	if err != nil {
		return err
	}
	if err := errors.Join(
		os.WriteFile(nhefs, examples.NHEFS, 0o600),
		os.WriteFile(layout.Catalog("nhefs"), examples.NHEFSCatalog, 0o600),
		os.WriteFile(layout.Catalog(synth.Dataset), catalogue, 0o600),
	); err != nil {
		return err
	}
	for _, in := range []struct {
		dataset string
		files   []string
	}{{"nhefs", []string{nhefs}}, {synth.Dataset, files}} {
		act, rows, err := importFiles(ctx, t.dir, in.dataset, "", in.files, false, progress(os.Stderr))
		if err != nil {
			return err
		}
		fmt.Fprintf(t.out, "%-8s %8d rows checked and loaded, version %.12s... is entry %d of the audit log\n", in.dataset, rows, act.GetDigest(), act.GetSeq())
	}

	t.say("An agreement and two ledgers: one for the agreement, one for each population")
	return withAdmin(ctx, t.dir, func(ctx context.Context, admin jaliv1.AdminServiceClient) error {
		for _, text := range [][]byte{examples.NHEFSAgreement, synth.Agreement()} {
			act, err := admin.AddAgreement(ctx, &jaliv1.AddAgreementRequest{Yaml: text, Approver: "demo"})
			if err != nil {
				return err
			}
			fmt.Fprintf(t.out, "agreement registered (entry %d)\n", act.GetSeq())
		}
		for _, p := range []string{examples.NHEFSPopulation, synth.Population} {
			if _, err := admin.SetBudget(ctx, &jaliv1.SetBudgetRequest{Population: p, Pu: 47_181, DeltaE18: 1e11, Approver: "demo", Order: "demonstration"}); err != nil {
				return err
			}
			fmt.Fprintf(t.out, "population %s: 47,181 PU for its lifetime\n", p)
		}
		return nil
	})
}

func (t *tour) clients() error {
	for role, org := range map[identity.Role]string{identity.Researcher: examples.Org, identity.Regulator: "Data Protection Authority", identity.Custodian: "Example Agency"} {
		if _, err := issueClient(t.dir, string(role), org, role, filepath.Join(t.tmp, string(role)), t.endpoint); err != nil {
			return err
		}
	}
	return nil
}

// psql prints how programs that speak to PostgreSQL connect, as one line for a shell.
func (t *tour) psql(addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("read address of the PostgreSQL port: %w", err)
	}
	dir := filepath.Dir(t.profile("researcher"))
	fmt.Fprintf(t.out, `psql        PGOPTIONS='-c jali.agreement=%s -c jali.purpose=%s -c jali.error=50 -c jali.intervals=on' \
            psql 'host=%s port=%s dbname=%s user=researcher sslmode=verify-full sslrootcert=%s sslcert=%s sslkey=%s' \
            -c 'SELECT sex, COUNT(*) AS n FROM nhefs GROUP BY sex'
`, examples.NHEFSAgreementID, examples.Purpose, host, port, examples.NHEFSID,
		filepath.Join(dir, "ca.pem"), filepath.Join(dir, "client.pem"), filepath.Join(dir, "client-key.pem"))
	return nil
}

// console prints how to open the browser console in each role.
func (t *tour) console(ctx context.Context) error {
	fmt.Fprintf(t.out, "\nbrowser console  %s/console/ (its certificate is of a development authority: the browser asks whether to go on)\neach link opens once, within five minutes:\n", t.endpoint)
	for _, role := range []identity.Role{identity.Researcher, identity.Regulator, identity.Custodian} {
		pair, err := linkCertificate(t.dir, filepath.Dir(t.profile(string(role))), "", "", "")
		if err != nil {
			return err
		}
		url, _, err := consoleLink(ctx, t.dir, t.endpoint, pair)
		if err != nil {
			return err
		}
		fmt.Fprintf(t.out, "%-11s %s\n", role, url)
	}
	fmt.Fprintf(t.out, "another link: jali-gateway console link --dir %s --client %s\nthe log's keys, to enter under Proof: %s\n",
		t.dir, filepath.Dir(t.profile("regulator")), filepath.Join(filepath.Dir(t.profile("regulator")), "vkeys"))
	return nil
}

// walk asks the questions of the tour.
func (t *tour) walk(ctx context.Context) error {
	receipt, result := filepath.Join(t.tmp, "receipt.json"), filepath.Join(t.tmp, "result.json")
	ask := []string{"--agreement", examples.NHEFSAgreementID, "--purpose", examples.Purpose}
	weight := "SELECT qsmk, COUNT(*) AS n, AVG(wt82_71) AS kg FROM nhefs WHERE wt82 IS NOT NULL GROUP BY qsmk"
	scheme := []string{"--agreement", synth.AgreementID, "--purpose", examples.Purpose}

	for _, s := range []struct {
		say  string
		exit int
		prog string
		args []string
	}{
		{"What may be asked: the catalogue, never the data", 0, "jali", []string{"catalog", "nhefs"}},
		{"What it would cost, and how exact it would be: free, and before anything is spent", 0, "jali", append([]string{"quote", "--error", "20"}, append(ask, weight)...)},
		{"The answer: noisy, with 95 % half-widths, price, and a receipt that was verified before it was shown", 0, "jali", append([]string{"query", "--error", "20", "--receipt", receipt, "--result", result}, append(ask, weight)...)},
		{"The same question in other words: the stored answer again, free", 0, "jali", append([]string{"query", "--error", "20"}, append(ask, "select qsmk, avg(wt82_71) as kilos, count(*) from nhefs where not (wt82 is null) group by qsmk order by 2 desc")...)},
		{"The receipt verifies offline", 0, "jali", []string{"receipt", "verify", receipt, "--result", result}},
		{"A join on the person and a cohort, over the generated scheme", 0, "jali", append([]string{"query", "--error", "100"}, append(scheme, synth.DemoSQL)...)},
		{"An odds ratio, from one noisy histogram: the same is on offer for survival curves, rates and regressions", 0, "jali", append([]string{"analyze", "or", "--exposure", "sex", "--outcome", "qsmk", "--cohort", "wt82 IS NOT NULL", "--error", "20"}, ask...)},
		{"The risk ratio of the same histogram: free", 0, "jali", append([]string{"analyze", "rr", "--exposure", "sex", "--outcome", "qsmk", "--cohort", "wt82 IS NOT NULL", "--error", "20"}, ask...)},
		{"An encrypted question: which diagnoses count is known to nobody but the asker", 0, "jali", append([]string{"cohort", "count", "--by", "medical_claim.icd", "--codes", "E10,E11", "--error", "200"}, scheme...)},
		{"A purpose outside the agreement: refused by policy, with what to do", 3, "jali", append([]string{"query", "--error", "20"}, "--agreement", examples.NHEFSAgreementID, "--purpose", "DUO:0000011", weight)},
		{"More accuracy than the budget holds: refused, with the accuracy that would fit", 4, "jali", append([]string{"query", "--error", "5"}, append(ask, "SELECT sex, COUNT(*) AS n, AVG(age) AS years FROM nhefs GROUP BY sex")...)},
		{"A question about one person: refused where it stands", 2, "jali", append([]string{"query", "--error", "20"}, append(ask, "SELECT COUNT(*) FROM nhefs WHERE seqn = 233")...)},
		{"What is left, and what spent it", 0, "jali", []string{"budget", "--agreement", examples.NHEFSAgreementID}},
		{"The regulator reads the record", 0, "jali-auditor", []string{"list"}},
		{"... and verifies all of it: chain, tree, signatures, spends", 0, "jali-auditor", []string{"verify"}},
	} {
		t.say("%s", s.say)
		role := "researcher"
		if s.prog == "jali-auditor" {
			role = "regulator"
		}
		if err := t.run(ctx, s.prog, role, s.exit, s.args); err != nil {
			return err
		}
	}
	fmt.Fprintf(t.out, "\nAll %d steps ended as they should.\n", t.step)
	return nil
}

// run executes a program as its user would type it and checks its exit status.
func (t *tour) run(ctx context.Context, prog, role string, exit int, args []string) error {
	shown := make([]string, len(args))
	for i, a := range args {
		shown[i] = strings.ReplaceAll(a, t.tmp+string(filepath.Separator), "")
		if strings.ContainsAny(shown[i], " *()<>;") {
			shown[i] = "'" + shown[i] + "'"
		}
	}
	fmt.Fprintf(t.out, "$ %s %s\n", prog, strings.Join(shown, " "))
	cmd := exec.CommandContext(ctx, filepath.Join(t.bin, prog), append([]string{"--profile", t.profile(role)}, args...)...)
	var text bytes.Buffer
	cmd.Stdout, cmd.Stderr = &text, &text
	err := cmd.Run()
	fmt.Fprint(t.out, text.String())
	var ended *exec.ExitError
	code := 0
	switch {
	case errors.As(err, &ended):
		code = ended.ExitCode()
	case err != nil:
		return fmt.Errorf("run %s: %w", prog, err)
	}
	if code != exit {
		return fmt.Errorf("%s ended with status %d, not %d", prog, code, exit)
	}
	return nil
}
