package sdktest

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"jali/sdk"
)

// Role of a client certificate.
type Role string

const (
	Researcher Role = "researcher"
	Regulator  Role = "regulator"
	Custodian  Role = "custodian"
)

// Gateway is a running jali-gateway with a state directory of its own.
type Gateway struct {
	// Dir is the state directory, Files where its inputs and clients are.
	Dir, Files string
	// Endpoint stays the same over Restart and Kill.
	Endpoint string
	// Agreement, Purpose, Dataset and Population are what questions use that name none.
	Agreement, Purpose, Dataset, Population string

	t       testing.TB
	config  Config
	program string
	parties agreement
	server  *process // nil: stopped

	output  sync.Mutex
	mu      sync.Mutex
	clients map[string]*Client
	kept    []*sdk.Result // what clients were given, to be found in the log
}

// commandTimeout bounds one gateway command, import of the generated scheme included.
const commandTimeout = 5 * time.Minute

// Start makes a state directory, imports the data, registers the agreements and serves. It fails the test on any error. The
// test's cleanup checks the log and stops the gateway.
func Start(t testing.TB, config Config) *Gateway {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	if config.Persons == 0 {
		config.Persons = 2000
	}
	if config.Seed == 0 {
		config.Seed = 1
	}
	if config.PopulationPU == 0 {
		config.PopulationPU = 1_000_000
	}
	if config.PopulationDelta == "" {
		config.PopulationDelta = "1e-6"
	}
	// A short path: the admin socket is in it, and socket paths end at about 100 bytes.
	root, err := os.MkdirTemp("", "jali")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	g := &Gateway{
		Dir: filepath.Join(root, "d"), Files: filepath.Join(root, "f"),
		t: t, config: config, program: path, clients: map[string]*Client{},
	}
	g.prepare()
	g.Serve()
	t.Cleanup(g.finish)
	return g
}

// prepare fills the state directory.
func (g *Gateway) prepare() {
	g.t.Helper()
	g.Run("init", "--dir", g.Dir, "--origin", "sdktest/1")
	g.configure()
	datasets, agreements := g.config.Datasets, g.config.Agreements
	if len(datasets) == 0 {
		generated, text := g.synthesise()
		datasets = []Dataset{generated}
		if len(agreements) == 0 {
			agreements = []string{text}
		}
	}
	if len(agreements) == 0 {
		g.t.Fatal("sdktest: data sets of your own need agreements of your own")
	}
	capped := map[string]bool{}
	for _, d := range datasets {
		about, err := readCatalog(d.Catalog)
		if err != nil {
			g.t.Fatal(err)
		}
		g.install(d, about.ID)
		g.Run(append([]string{"import", "--dir", g.Dir, "--dataset", about.ID}, d.Files...)...)
		if !capped[about.Population] {
			g.Run("budget", "set", "--dir", g.Dir, "--population", about.Population, "--pu", strconv.FormatInt(g.config.PopulationPU, 10), "--delta", g.config.PopulationDelta)
		}
		capped[about.Population] = true
		if g.Dataset == "" {
			g.Dataset, g.Population = about.ID, about.Population
		}
	}
	for i, text := range agreements {
		parsed, err := readAgreement(text)
		if err != nil {
			g.t.Fatal(err)
		}
		if text, err = withBudget(text, g.config.AgreementPU); err != nil {
			g.t.Fatal(err)
		}
		path := filepath.Join(g.Files, "agreement-"+strconv.Itoa(i)+".yaml")
		g.write(path, text)
		g.Run("agreement", "add", "--dir", g.Dir, path)
		if i == 0 {
			g.parties, g.Agreement, g.Purpose, g.Dataset = parsed, parsed.ID, parsed.Purposes[0], parsed.Datasets[0].ID
		}
	}
}

// configure edits config.yaml.
func (g *Gateway) configure() {
	g.t.Helper()
	path := filepath.Join(g.Dir, "config.yaml")
	for old, text := range g.config.ServerConfig {
		config, err := os.ReadFile(path)
		if err != nil {
			g.t.Fatal(err)
		}
		if !bytes.Contains(config, []byte(old)) {
			g.t.Fatalf("sdktest: config.yaml does not say %q", old)
		}
		g.write(path, string(bytes.Replace(config, []byte(old), []byte(text), 1)))
	}
}

// synthesise generates the scheme.
func (g *Gateway) synthesise() (Dataset, string) {
	g.t.Helper()
	out := filepath.Join(g.Files, "synth")
	g.Run("synth", "--persons", strconv.Itoa(g.config.Persons), "--seed", strconv.FormatUint(g.config.Seed, 10), "--out", out)
	files, err := filepath.Glob(filepath.Join(out, "*.csv*"))
	if err != nil || len(files) == 0 {
		g.t.Fatalf("sdktest: the generator wrote no tables (%v)", err)
	}
	text, err := os.ReadFile(filepath.Join(out, "agreement.yaml"))
	if err != nil {
		g.t.Fatal(err)
	}
	return Dataset{Catalog: filepath.Join(out, "catalog.yaml"), Files: files}, string(text)
}

// install copies a catalogue, and its code lists, into the state directory.
func (g *Gateway) install(d Dataset, id string) {
	g.t.Helper()
	into := filepath.Join(g.Dir, "catalog")
	for _, list := range d.Codes {
		rel, err := filepath.Rel(filepath.Dir(d.Catalog), list)
		if err != nil || !filepath.IsLocal(rel) {
			g.t.Fatalf("sdktest: code list %s is not beside or below its catalogue", list)
		}
		g.copy(list, filepath.Join(into, rel))
	}
	g.copy(d.Catalog, filepath.Join(into, id+".yaml"))
}

// Run runs a gateway command and returns its standard output. It fails the test when the command fails.
func (g *Gateway) Run(args ...string) string {
	g.t.Helper()
	out, err := g.Try(args...)
	if err != nil {
		g.t.Fatalf("jali-gateway %v: %v", args, err)
	}
	return out
}

// Try runs a gateway command; the error holds what it wrote to standard error.
func (g *Gateway) Try(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), commandTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, g.program, args...)
	cmd.Env = append(os.Environ(), g.config.Environment...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = g.heard(&stdout), g.heard(&stderr)
	if err := cmd.Run(); err != nil {
		return stdout.String(), &CommandError{Err: err, Stderr: stderr.String()}
	}
	return stdout.String(), nil
}

// heard writes to w and to the test's Output.
func (g *Gateway) heard(w io.Writer) io.Writer {
	if g.config.Output == nil {
		return w
	}
	return io.MultiWriter(w, &shared{g})
}

// shared is Output for several programs at once.
type shared struct{ g *Gateway }

func (s *shared) Write(p []byte) (int, error) {
	s.g.output.Lock()
	defer s.g.output.Unlock()
	return s.g.config.Output.Write(p)
}

// CommandError is a gateway command that failed.
type CommandError struct {
	Err    error // *exec.ExitError, for the status
	Stderr string
}

func (e *CommandError) Error() string { return e.Err.Error() + "\n" + e.Stderr }
func (e *CommandError) Unwrap() error { return e.Err }

func (g *Gateway) write(path, text string) {
	g.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		g.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		g.t.Fatal(err)
	}
}

func (g *Gateway) copy(from, to string) {
	g.t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		g.t.Fatal(err)
	}
	g.write(to, string(text))
}
