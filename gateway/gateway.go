package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"jali/audit"
	"jali/audit/store"
	"jali/gateway/budget"
	"jali/policy"
)

// Config says where a gateway's state lies and what it may use. Dir and Operator are required.
type Config struct {
	Dir string
	// Threads and MemoryLimit ("4GB") bound each dataset's engine.
	Threads     int
	MemoryLimit string
	// Now is the clock of decisions, quotes and entries. Response slots run on the monotonic clock always.
	Now     func() time.Time
	Witness WitnessConfig
	// Timestamp names a time-stamping authority; the zero value none.
	Timestamp TimestampConfig
	// Encrypted bounds the memory of encrypted questions; zero fields have defaults.
	Encrypted EncryptedConfig
	// Operator is the operator's log: no data, no text of questions, no names of people. It is not the audit log.
	Operator *slog.Logger
}

// Gateway answers questions about the datasets of one state directory. It is safe for concurrent use.
type Gateway struct {
	cfg       Config
	layout    Layout
	operator  *slog.Logger
	log       *store.Store
	policy    *policy.Policy
	quotes    *budget.Book
	flight    *flight
	rates     *rates
	slots     *slots
	witnesses *witnesses
	stamper   *stamper // nil: no authority
	reviews   *reviews
	logins    logins
	cohorts   *cohorts

	mu         sync.RWMutex
	agreements map[string]*agreement
	datasets   map[string]*dataset
	studies    map[string]*study  // by pin
	memories   map[string]*memory // of populations in mode sdc
	problems   []string

	registering sync.Mutex // one registration or end of a study at a time
}

// Open opens a state directory made by Init: it takes the audit log's lock, repairs what a crash left (an intent without
// outcome becomes INTERRUPTED, its charge stands), and loads what the log says is active. A dataset or agreement that cannot
// be loaded is a problem in Status, not a failure: the others are served.
func Open(ctx context.Context, cfg Config) (*Gateway, error) {
	if cfg.Dir == "" || cfg.Operator == nil {
		return nil, errors.New("open gateway: Dir and Operator are required")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	g := &Gateway{
		cfg: cfg, layout: Layout(cfg.Dir), operator: cfg.Operator,
		flight: newFlight(), rates: newRates(), slots: newSlots(), reviews: newReviews(),
		quotes:     budget.NewBook(cfg.Now, quoteLife),
		agreements: map[string]*agreement{}, datasets: map[string]*dataset{}, memories: map[string]*memory{}, studies: map[string]*study{},
	}
	// A log that was made ready, and not yet in its place when something crashed, is put there first.
	if err := finishShard(g.layout); err != nil {
		return nil, fmt.Errorf("open gateway: %w", err)
	}
	var err error
	if g.cohorts, err = newCohorts(cfg.Encrypted); err != nil {
		return nil, fmt.Errorf("open gateway: %w", err)
	}
	if g.witnesses, err = loadWitnesses(g.layout, cfg); err != nil {
		return nil, err
	}
	if g.stamper, err = loadStamper(cfg.Timestamp); err != nil {
		return nil, err
	}
	if g.log, err = openLog(g.layout, cfg, g.witnesses.admit); err != nil {
		return nil, fmt.Errorf("open audit log: %w", err)
	}
	g.witnesses.events = append(g.witnesses.events, g.witnesses.policyChanged(g.log)...)
	if err := g.recordEvents(ctx); err != nil {
		g.log.Close()
		return nil, fmt.Errorf("record witness events: %w", err)
	}
	// The log's lock is ours, so nobody else works here: what engines of a killed process left behind goes.
	if err := os.RemoveAll(g.layout.Scratch()); err != nil {
		g.operator.Error("scratch directory not cleared", "err", err)
	}
	if err := g.loadPolicy(); err != nil {
		g.log.Close()
		return nil, err
	}
	for _, p := range g.log.ActiveNames("") {
		switch {
		case strings.HasPrefix(p.Name, pinAgreement):
			err = g.loadAgreement(strings.TrimPrefix(p.Name, pinAgreement))
		case strings.HasPrefix(p.Name, pinDataset):
			err = g.loadDataset(strings.TrimPrefix(p.Name, pinDataset))
		case strings.HasPrefix(p.Name, pinStudy): // after all datasets, by name
			err = g.loadStudy(ctx, strings.TrimPrefix(p.Name, pinStudy))
		default:
			continue
		}
		if err != nil {
			g.operator.Error("not served", "cause", err)
			g.problems = append(g.problems, err.Error())
		}
	}
	g.sweepStudies()
	return g, nil
}

// Close stops the engines and the log. Call it after the last request has ended.
func (g *Gateway) Close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	var errs []error
	g.cohorts.close()
	errs = append(errs, g.recordReviews(context.Background(), true))
	for _, d := range g.datasets {
		errs = append(errs, d.engine.Close())
	}
	for _, m := range g.memories {
		errs = append(errs, m.close())
	}
	return errors.Join(append(errs, g.log.Close())...)
}

// Beat appends a HEARTBEAT every minute until the context ends, so that silence of the log is visible.
func (g *Gateway) Beat(ctx context.Context) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			g.cohorts.sweep(g.now())
			if err := errors.Join(g.beat(ctx), g.recordReviews(ctx, false)); err != nil && ctx.Err() == nil {
				g.operator.Error("heartbeat not recorded", "err", err)
			}
		}
	}
}

func (g *Gateway) beat(ctx context.Context) error {
	_, err := g.log.Append(ctx, store.Item{Kind: audit.Heartbeat})
	return err
}
