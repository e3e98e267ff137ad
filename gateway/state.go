package gateway

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"jali/audit"
	"jali/gateway/catalog"
	"jali/gateway/engine"
	"jali/policy"
)

// Names under which the log keeps what is active.
const (
	pinPolicy    = audit.ActivePolicy
	pinAgreement = audit.ActiveAgreement
	pinDataset   = audit.ActiveDataset
)

// agreement is a registered agreement, read from the log: its text is a detail of its AGREEMENT entry.
type agreement struct {
	policy.Agreement
	pin string // the value a charge is pinned to
}

func (a *agreement) datasetIDs() []string {
	ids := make([]string, len(a.Datasets))
	for i, d := range a.Datasets {
		ids[i] = d.ID
	}
	return ids
}

func (a *agreement) covers(dataset string) bool { return slices.Contains(a.datasetIDs(), dataset) }

// dataset is an active data version with its catalogue and engine.
type dataset struct {
	catalog  *catalog.Dataset
	version  string
	manifest engine.Manifest
	engine   *engine.Engine
}

func (d *dataset) loaded(table string) bool { _, ok := d.manifest.Rows(table); return ok }

func (d *dataset) rows(table string) int64 { n, _ := d.manifest.Rows(table); return n }

// nsPerRow is the calibrated cost of a row, measured at import on generated data.
func (d *dataset) nsPerRow(stream bool) float64 {
	if stream {
		return d.manifest.StreamNS
	}
	return d.manifest.ScanNS
}

func (d *dataset) slotted() bool { return d.catalog.Slots == nil || len(d.catalog.Slots) > 0 }

func (d *dataset) ladder() []time.Duration {
	if d.catalog.Slots == nil {
		return DefaultSlots
	}
	return d.catalog.Slots
}

// agreement finds a registered agreement, active or not; whether it may be used is for policy to say. One that is not active
// is read from the log when it is named.
func (g *Gateway) agreement(id string) *agreement {
	g.mu.RLock()
	a := g.agreements[id]
	g.mu.RUnlock()
	if a != nil {
		return a
	}
	if _, seq, _ := g.log.Active(pinAgreement + id); seq == 0 {
		return nil
	}
	if err := g.loadAgreement(id); err != nil {
		g.operator.Error("agreement not loaded", "err", err)
		return nil
	}
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.agreements[id]
}

func (g *Gateway) dataset(id string) *dataset {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.datasets[id]
}

// loadAgreement reads an agreement from the entry that registered its latest version.
func (g *Gateway) loadAgreement(id string) error {
	pin, seq, _ := g.log.Active(pinAgreement + id)
	if seq == 0 {
		return fmt.Errorf("agreement %s: not registered", id)
	}
	text, err := g.detail(seq, "text")
	if err != nil {
		return fmt.Errorf("agreement %s: %w", id, err)
	}
	parsed, err := policy.ParseAgreement([]byte(text))
	if err != nil {
		return fmt.Errorf("agreement %s: %w", id, err)
	}
	g.mu.Lock()
	g.agreements[id] = &agreement{Agreement: parsed, pin: pin}
	g.mu.Unlock()
	return nil
}

// loadDataset opens the active data version. The catalogue on disk must be the one the version was checked against: its
// bounds are what the proofs rest on.
func (g *Gateway) loadDataset(id string) error {
	version, seq, ok := g.log.Active(pinDataset + id)
	if !ok {
		return fmt.Errorf("dataset %s: no active version", id)
	}
	if d := g.dataset(id); d != nil && d.version == version {
		return nil // its engine may be answering
	}
	text, err := g.detail(seq, "manifest")
	if err != nil {
		return fmt.Errorf("dataset %s: %w", id, err)
	}
	manifest, err := engine.ParseManifest([]byte(text))
	if err != nil {
		return fmt.Errorf("dataset %s: %w", id, err)
	}
	cat, err := catalog.Load(g.layout.Catalog(id))
	if err != nil {
		return fmt.Errorf("dataset %s: %w", id, err)
	}
	if cat.Digest != manifest.Catalog {
		return fmt.Errorf("dataset %s: the catalogue changed since the data were imported: import them again under the new one, or put the old file back", id)
	}
	if cat.Level >= 2 && g.witnesses.l2 == nil {
		return fmt.Errorf("dataset %s: %w", id, errNoWitnesses)
	}
	if cat.Mode == catalog.ModeSDC {
		if err := g.loadMemory(cat.Population); err != nil {
			return fmt.Errorf("dataset %s: %w", id, err)
		}
	}
	if err := os.MkdirAll(g.layout.Scratch(), 0o700); err != nil {
		return fmt.Errorf("dataset %s: %w", id, err)
	}
	eng, err := engine.OpenVersion(g.layout.Data(id), manifest, engine.Config{
		Catalog: cat, TempDir: g.layout.Scratch(),
		Threads: g.cfg.Threads, MemoryLimit: g.cfg.MemoryLimit, Operator: g.operator,
	})
	if err != nil {
		return fmt.Errorf("dataset %s: %w", id, err)
	}
	// Before the first question of this version: one that found a study as it was would count persons who came with it as nobody, and
	// keep that. The version before has no rows of theirs.
	g.resolveStudies(context.Background(), id)
	g.mu.Lock()
	old := g.datasets[id]
	g.datasets[id] = &dataset{catalog: cat, version: version, manifest: manifest, engine: eng}
	g.mu.Unlock()
	if old != nil {
		// Questions pinned to the old version fail stale at their charge; running ones hold its connections until they end.
		go old.engine.Close()
	}
	return nil
}

// detail opens one detail of an entry.
func (g *Gateway) detail(seq uint64, name string) (string, error) {
	ds, err := g.log.Details(seq)
	if err != nil {
		return "", fmt.Errorf("read details of entry %d: %w", seq, err)
	}
	for _, d := range ds {
		_, found, value, err := audit.OpenDetail(d)
		if err != nil {
			return "", fmt.Errorf("open detail of entry %d: %w", seq, err)
		}
		if found == name {
			return value, nil
		}
	}
	return "", fmt.Errorf("entry %d has no detail %q: erased or withheld", seq, name)
}
