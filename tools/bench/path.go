package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"jali/audit"
	"jali/audit/store"
	"jali/gateway"
	"jali/gateway/catalog"
	"jali/gateway/engine"
	"jali/gateway/identity"
	"jali/gateway/query"
	"jali/gateway/rpc"
	"jali/gateway/synth"
	"jali/sdk"
)

// pathSuite measures whole queries over TLS on loopback, every one a new question, against the parts they cannot do without.
func pathSuite() suite {
	return suite{
		names: []string{"path/p50", "path/overhead", "path/p50/slots", "path/queries/1", "path/queries/16", "path/queries/256"},
		run:   measurePath,
	}
}

// bed is a served gateway on generated data, twice: with the response slots off and on.
type bed struct {
	dir     string
	version string // of dataOff
	profile sdk.Config
	next    atomic.Int64 // each question once
	gateway *gateway.Gateway
}

const (
	persons = 10_000
	dataOff = synth.Dataset
	dataOn  = "slotted"
)

func measurePath(ctx context.Context) (rows []result, err error) {
	tmp, err := os.MkdirTemp("", "jali-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	b := &bed{dir: filepath.Join(tmp, "state")}
	stop, err := b.serve(ctx, tmp)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()

	full, err := b.latency(ctx, dataOff, 400)
	if err != nil {
		return nil, err
	}
	slotted, err := b.latency(ctx, dataOn, 60)
	if err != nil {
		return nil, err
	}
	run, err := b.engineAlone(ctx, 400)
	if err != nil {
		return nil, err
	}
	durable, err := appendAlone(ctx, tmp, 400)
	if err != nil {
		return nil, err
	}
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	// A query commits twice: the charged intent, and the release.
	floor := run + 2*durable
	ratio := float64(full) / float64(floor)
	rows = append(
		rows,
		result{Name: "path/p50", Value: ms(full), Unit: "ms", Baseline: fmt.Sprintf("engine %.2f ms + 2 commits of %.2f ms, alone, same run", ms(run), ms(durable)), Ratio: &ratio},
		result{Name: "path/overhead", Value: ms(full - floor), Unit: "ms p50", Baseline: "what path/p50 takes beyond its baseline, slots off, one client", Goal: "<= 1"},
		result{Name: "path/p50/slots", Value: ms(slotted), Unit: "ms", Baseline: "response slots on: a plan of this shape takes the 100 ms rung"},
	)
	for _, n := range []int{1, 16, 256} {
		qps, err := b.throughput(ctx, n, 4*time.Second)
		if err != nil {
			return nil, err
		}
		raw, err := rawAppends(ctx, filepath.Join(tmp, fmt.Sprintf("raw%d", n)), n, 2*time.Second)
		if err != nil {
			return nil, err
		}
		ratio := qps / raw
		rows = append(rows, result{
			Name: fmt.Sprintf("path/queries/%d", n), Value: qps, Unit: "/s",
			Baseline: fmt.Sprintf("raw file append of 1 KiB with group fsync at %d callers: %.0f /s, same run", n, raw), Ratio: &ratio,
		})
	}
	return rows, nil
}

// question is a count that was not asked before.
func (b *bed) question(dataset string) sdk.Query {
	n := b.next.Add(1)
	day := time.Date(1930, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, int(n%20_000))
	return sdk.Query{
		Agreement: synth.AgreementID, Purpose: "DUO:0000006", Dataset: dataset,
		SQL:   fmt.Sprintf("SELECT sex, COUNT(*) AS n FROM person WHERE birth_date >= DATE '%s' AND conditions <= %d GROUP BY sex", day.Format(time.DateOnly), n/20_000%11),
		Error: "1000",
	}
}

func (b *bed) latency(ctx context.Context, dataset string, n int) (time.Duration, error) {
	client, err := sdk.Dial(ctx, b.profile)
	if err != nil {
		return 0, err
	}
	defer client.Close()
	return median(n, func() error {
		_, err := client.Query(ctx, b.question(dataset))
		return err
	})
}

func (b *bed) throughput(ctx context.Context, callers int, d time.Duration) (float64, error) {
	clients := make([]*sdk.Client, callers)
	for i := range clients {
		c, err := sdk.Dial(ctx, b.profile)
		if err != nil {
			return 0, err
		}
		defer c.Close()
		if _, err := c.Query(ctx, b.question(dataOff)); err != nil { // connects
			return 0, err
		}
		clients[i] = c
	}
	return perSecond(callers, d, func(i int) error {
		_, err := clients[i].Query(ctx, b.question(dataOff))
		return err
	})
}

// engineAlone runs the same plans without a gateway around them.
func (b *bed) engineAlone(ctx context.Context, n int) (time.Duration, error) {
	layout := gateway.Layout(b.dir)
	cat, err := catalog.Load(layout.Catalog(dataOff))
	if err != nil {
		return 0, err
	}
	eng, err := engine.Open(engine.Config{Path: layout.Version(dataOff, b.version), Catalog: cat, Threads: 2})
	if err != nil {
		return 0, err
	}
	defer eng.Close()
	return median(n, func() error {
		plan, err := query.Compile(cat, b.question(dataOff).SQL)
		if err != nil {
			return err
		}
		_, err = eng.Run(ctx, plan, [32]byte{1})
		return err
	})
}

// appendAlone is one durable commit of the audit log, alone.
func appendAlone(ctx context.Context, tmp string, n int) (time.Duration, error) {
	cfg := store.InDir(filepath.Join(tmp, "log"))
	if err := os.MkdirAll(filepath.Join(tmp, "log"), 0o700); err != nil {
		return 0, err
	}
	if err := store.Create(store.CreateConfig{Config: cfg, Origin: "bench.example/1", Why: "new"}); err != nil {
		return 0, err
	}
	s, err := store.Open(cfg)
	if err != nil {
		return 0, err
	}
	defer s.Close()
	return median(n, func() error {
		_, err := s.Append(ctx, store.Item{Kind: audit.Heartbeat})
		return err
	})
}

// rawAppends groups the callers that wait into one write and one fsync: the least any durable log on this disk can do.
func rawAppends(ctx context.Context, path string, callers int, d time.Duration) (float64, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	submit := make(chan chan error, callers)
	defer close(submit)
	record := make([]byte, 1024)
	go func() {
		for first := range submit {
			batch := []chan error{first}
			for more := true; more && len(batch) < callers; {
				select {
				case c, ok := <-submit:
					if more = ok; ok {
						batch = append(batch, c)
					}
				default:
					more = false
				}
			}
			_, err := f.Write(slices.Repeat(record, len(batch)))
			if err == nil {
				err = f.Sync()
			}
			for _, c := range batch {
				c <- err
			}
		}
	}()
	return perSecond(callers, d, func(int) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		c := make(chan error, 1)
		submit <- c
		return <-c
	})
}

func median(n int, f func() error) (time.Duration, error) {
	took := make([]time.Duration, 0, n)
	for i := range n + n/10 {
		start := time.Now()
		if err := f(); err != nil {
			return 0, err
		}
		if i >= n/10 { // the first ones warm up
			took = append(took, time.Since(start))
		}
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}

func perSecond(callers int, d time.Duration, f func(i int) error) (float64, error) {
	var calls atomic.Int64
	var group sync.WaitGroup
	errs := make([]error, callers)
	start := time.Now()
	for i := range callers {
		group.Go(func() {
			for time.Since(start) < d && errs[i] == nil {
				errs[i] = f(i)
				calls.Add(1)
			}
		})
	}
	group.Wait()
	return float64(calls.Load()) / time.Since(start).Seconds(), errors.Join(errs...)
}

// serve makes the state directory and serves it until stop.
func (b *bed) serve(ctx context.Context, tmp string) (stop func() error, err error) {
	operator := slog.New(slog.NewTextHandler(io.Discard, nil))
	if err := gateway.Init(ctx, gateway.InitConfig{Dir: b.dir, Origin: "bench.example/jali/1", Hosts: []string{"127.0.0.1"}, Now: time.Now, Operator: operator}); err != nil {
		return nil, err
	}
	g, err := gateway.Open(ctx, gateway.Config{Dir: b.dir, Threads: 2, Operator: operator})
	if err != nil {
		return nil, err
	}
	if err := b.load(ctx, g, tmp); err != nil {
		return nil, errors.Join(err, g.Close())
	}
	b.gateway = g
	layout := gateway.Layout(b.dir)
	if err := b.client(tmp); err != nil {
		return nil, errors.Join(err, g.Close())
	}
	serving, cancel := context.WithCancel(ctx)
	ready, done := make(chan string, 1), make(chan error, 1)
	go func() {
		done <- rpc.Serve(serving, rpc.Config{
			Gateway: g, Listen: "127.0.0.1:0", Certificate: layout.ServerCert(), Key: layout.ServerKey(), ClientCA: layout.CACert(),
			Operator: operator, Ready: func(addr string) { ready <- "https://" + addr }, PerSecond: 1e5, Burst: 1e6,
		})
	}()
	stop = func() error {
		cancel()
		return errors.Join(<-done, g.Close())
	}
	select {
	case b.profile.Endpoint = <-ready:
		return stop, nil
	case err := <-done:
		cancel()
		return nil, errors.Join(err, g.Close())
	}
}

// load imports the generated scheme under two names.
func (b *bed) load(ctx context.Context, g *gateway.Gateway, tmp string) error {
	files, err := synth.Write(ctx, tmp, synth.Config{Persons: persons, Seed: 1, Tables: []string{"person"}})
	if err != nil {
		return err
	}
	layout := gateway.Layout(b.dir)
	for _, id := range []string{dataOff, dataOn} {
		text := strings.Replace(string(synth.Catalog()), "dataset: "+dataOff, "dataset: "+id, 1)
		if id == dataOff {
			text += "\nslots: off\n"
		}
		if err := os.WriteFile(layout.Catalog(id), []byte(text), 0o600); err != nil {
			return err
		}
		cat, err := catalog.Load(layout.Catalog(id))
		if err != nil {
			return err
		}
		m, err := engine.Import(ctx, engine.ImportConfig{Catalog: cat, Dir: layout.Data(id), Files: []engine.File{{Path: files[0], Table: "person"}}})
		if err != nil {
			return err
		}
		act, err := g.ActivateDataset(ctx, id, m.Encode(), "bench")
		if err != nil {
			return err
		}
		if id == dataOff {
			b.version = act.Digest
		}
	}
	terms := strings.NewReplacer(
		"  - id: "+dataOff+"\n", "  - {id: "+dataOn+", columns: [person.*], sensitivity: [low, normal, high]}\n  - id: "+dataOff+"\n",
		"pu: 15727", "pu: 100000000", "per_hour: 1000", "per_hour: 1000000",
	).Replace(string(synth.Agreement()))
	if _, err := g.AddAgreement(ctx, []byte(terms), "bench"); err != nil {
		return err
	}
	_, err = g.SetBudget(ctx, synth.Population, 100_000_000, 0, "bench", "bench")
	return err
}

func (b *bed) client(tmp string) error {
	layout := gateway.Layout(b.dir)
	ca, err := identity.LoadCA(layout.CACert(), layout.CAKey())
	if err != nil {
		return err
	}
	cred, err := ca.IssueClient("bench", "Example Pharma", identity.Researcher, time.Now())
	if err != nil {
		return err
	}
	vkeys, err := os.ReadFile(layout.VKeys())
	if err != nil {
		return err
	}
	b.profile.CA, b.profile.VKeys = layout.CACert(), string(vkeys)
	b.profile.Cert, b.profile.Key = filepath.Join(tmp, "client.pem"), filepath.Join(tmp, "client.key")
	return cred.Write(b.profile.Cert, b.profile.Key)
}
