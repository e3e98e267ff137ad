package gateway

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"jali/audit"
	"jali/audit/store"
	"jali/gateway/budget"
	"jali/gateway/catalog"
	"jali/gateway/engine"
	"jali/policy"
)

// ActivateDataset makes an imported or attached data version the one that answers. Its file, or the note of its place, must lie in
// the state directory already, complete and synced; the entry is what activates it. A crash before the entry leaves an unused file, after it a dataset
// that the next start loads.
func (g *Gateway) ActivateDataset(ctx context.Context, id string, manifest []byte, approver string) (Activated, error) {
	m, err := engine.ParseManifest(manifest)
	if err != nil {
		return Activated{}, invalid("manifest of the data version", err)
	}
	version := m.Version()
	if m.Dataset != id {
		return Activated{}, &Refusal{Code: Invalid, Message: "the manifest is of another dataset", Hint: "import the files again"}
	}
	if m.Level >= 2 && g.witnesses.l2 == nil {
		return Activated{}, invalid("dataset "+id, errNoWitnesses)
	}
	if err := engine.CheckVersion(g.layout.Data(id), m); err != nil {
		return Activated{}, invalid("file of the data version", err)
	}
	if refusal := g.fitsMode(id, m.Population); refusal != nil {
		return Activated{}, refusal
	}
	if old := g.dataset(id); old != nil && old.catalog.Population != m.Population {
		return Activated{}, &Refusal{
			Code: Invalid, Message: fmt.Sprintf("dataset %s belongs to population %s: under another its persons would have a second budget", id, old.catalog.Population),
			Hint: "keep the population, or import under another dataset id with data of other persons",
		}
	}
	fields := audit.Object{"ds": id, "dsv": version, "pop": m.Population, "cls": m.Class, "lvl": int64(m.Level), "st": "active"}
	appended, err := g.log.Append(ctx, store.Item{
		Kind: audit.Dataset, Fields: fields, Subject: "dataset/" + id, Class: m.Class,
		Details: []audit.Detail{{Name: "approver", Value: approver}, {Name: "manifest", Value: string(manifest)}},
	})
	if err != nil {
		return Activated{}, g.unrecorded(err)
	}
	if err := g.loadDataset(id); err != nil {
		g.operator.Error("activated version not served", "cause", err)
		return Activated{}, &Refusal{Code: Unavailable, Message: err.Error(), Hint: "run jali-gateway doctor"}
	}
	return Activated{Seq: appended.Seq, Digest: version}, nil
}

// AddAgreement registers an agreement or a new version of one, and its budgets: each cap is an entry of its own. A cap is
// raised or set by a new version; what was spent stays spent.
func (g *Gateway) AddAgreement(ctx context.Context, yaml []byte, approver string) (Activated, error) {
	parsed, err := policy.ParseAgreement(yaml)
	if err != nil {
		return Activated{}, invalid("agreement", err)
	}
	if err := checkAuditor(parsed.Encrypted.Auditor); err != nil {
		return Activated{}, invalid("agreement", err)
	}
	if old := g.agreement(parsed.ID); old != nil && parsed.Version <= old.Version {
		return Activated{}, &Refusal{
			Code: Invalid, Message: fmt.Sprintf("agreement %s is registered as version %d already", parsed.ID, old.Version),
			Hint: fmt.Sprintf("give the changed agreement version %d or higher", old.Version+1),
		}
	}
	for _, b := range parsed.Budget {
		if refusal := g.oneMode(b.Population, parsed.Mode); refusal != nil {
			return Activated{}, refusal
		}
	}
	appended, err := g.log.Append(ctx, store.Item{
		Kind:    audit.Agreement,
		Fields:  audit.Object{"ag": parsed.ID, "agv": parsed.Version, "st": parsed.State, "pu": purposes(parsed.Purposes)},
		Subject: parsed.ID, Class: "agreement",
		Details: []audit.Detail{{Name: "party", Value: strings.Join(parsed.Parties, "; ")}, {Name: "text", Value: string(yaml)}, {Name: "approver", Value: approver}},
	})
	if err != nil {
		return Activated{}, g.unrecorded(err)
	}
	for _, b := range parsed.Budget {
		if _, err := g.setCap(ctx, unitIn(parsed.Mode), parsed.ID, b.Population, budget.PU(b.PU).Nano(), b.Delta, approver, "agreement version "+strconv.FormatInt(parsed.Version, 10)); err != nil {
			return Activated{}, err
		}
	}
	if err := g.loadAgreement(parsed.ID); err != nil {
		return Activated{}, &Refusal{Code: Unavailable, Message: err.Error(), Hint: "run jali-gateway doctor"}
	}
	return Activated{Seq: appended.Seq, Digest: strconv.FormatInt(parsed.Version, 10), Warnings: g.doubts(parsed)}, nil
}

// purposes is the header's code for an agreement's purposes: joined by +, or the first when they are too many for a header.
func purposes(codes []string) string {
	if all := strings.Join(codes, "+"); len(all) <= 255 {
		return all
	}
	return codes[0]
}

// SetBudget sets or raises a population's cap. It is a decision of the regulator, and an entry.
func (g *Gateway) SetBudget(ctx context.Context, population string, pu budget.PU, delta int64, approver, order string) (Activated, error) {
	if pu <= 0 || pu > maxPU {
		return Activated{}, &Refusal{Code: Invalid, Message: "the budget must be a positive number of privacy units", Hint: "15727 PU is eps = 3 at delta = 1e-7"}
	}
	if !catalog.ValidID(population) {
		return Activated{}, &Refusal{Code: Invalid, Message: "the population is not a name that a catalogue can have", Hint: "name it as the catalogue does: a-z, 0-9, _ and -"}
	}
	unit, err := g.unitOf(population)
	if err != nil {
		return Activated{}, err
	}
	if unit == "" {
		unit = unitRho
	}
	act, err := g.setCap(ctx, unit, "", population, pu.Nano(), delta, approver, order)
	if unit == unitCells {
		act.Unit = unit
	}
	if err == nil && !g.knowsPopulation(population) {
		act.Warnings = append(act.Warnings, fmt.Sprintf("no active dataset has the population %s", population))
	}
	return act, err
}

// doubts lists names of an agreement that no active dataset has. An agreement may be registered before its data arrive, so they
// are no error; a spelling mistake would open nothing.
func (g *Gateway) doubts(a policy.Agreement) []string {
	var out []string
	for _, d := range a.Datasets {
		data := g.dataset(d.ID)
		if data == nil {
			out = append(out, fmt.Sprintf("no dataset %s is active", d.ID))
			continue
		}
		for _, name := range d.Columns {
			table, column, _ := strings.Cut(name, ".")
			t := data.catalog.Table(table)
			if t == nil || column != "*" && column != t.PersonKey && t.Column(column) == nil {
				out = append(out, fmt.Sprintf("dataset %s has no column %s", d.ID, name))
			}
		}
	}
	for _, b := range a.Budget {
		if !g.knowsPopulation(b.Population) {
			out = append(out, fmt.Sprintf("no active dataset has the population %s", b.Population))
		}
	}
	return out
}

func (g *Gateway) knowsPopulation(population string) bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	for _, d := range g.datasets {
		if d.catalog.Population == population {
			return true
		}
	}
	return false
}

// maxPU keeps every cap far below the int64 range of nano-rho: rho = 9,000.
const maxPU = 900_000_000

func (g *Gateway) setCap(ctx context.Context, unit, agreement, population string, rho budget.NanoRho, delta int64, approver, order string) (Activated, error) {
	appended, err := g.log.Append(ctx, store.Item{
		Kind:    audit.Budget,
		Fields:  audit.Object{"acct": unit},
		Subject: "budget/" + population, Class: "budget",
		Budget:  &store.SetBudget{Agreement: agreement, Population: population, Rho: int64(rho), Delta: delta},
		Details: []audit.Detail{{Name: "order", Value: order}, {Name: "approver", Value: approver}},
	})
	if err != nil {
		return Activated{}, g.unrecorded(err)
	}
	return Activated{Seq: appended.Seq}, nil
}

// ActivatePolicy verifies, compiles and tests a signed bundle, stores it, records it, and only then decides by it.
func (g *Gateway) ActivatePolicy(ctx context.Context, bundle []byte, approver string) (Activated, error) {
	if len(bundle) == 0 {
		return Activated{}, &Refusal{Code: Invalid, Message: "no bundle given", Hint: "build and sign one: jali-gateway policy build"}
	}
	next, err := g.policy.Prepare(bundle)
	if err != nil {
		return Activated{}, invalid("policy bundle", err)
	}
	digest := audit.Digest(next.Digest())
	if err := writeSynced(g.layout.Bundle(digest), bundle); err != nil {
		return Activated{}, &Refusal{Code: Unavailable, Message: "the bundle could not be stored", Hint: "check disk space and modes of the state directory"}
	}
	fields := audit.Object{"pol": digest, "rev": next.Revision()}
	appended, err := g.log.Append(ctx, store.Item{
		Kind: audit.Policy, Fields: fields, Subject: "policy", Class: "policy",
		Details: []audit.Detail{{Name: "approver", Value: approver}, {Name: "tests", Value: "passed"}},
	})
	if err != nil {
		return Activated{}, g.unrecorded(err)
	}
	g.policy.Swap(next)
	return Activated{Seq: appended.Seq, Digest: digest}, nil
}

// loadPolicy opens the bundle the log says is active; any other is no gateway. Before the first POLICY entry the compiled-in
// one is open, but no charge can be made under it: an intent names a bundle that is active on record.
func (g *Gateway) loadPolicy() error {
	text, err := os.ReadFile(g.layout.PolicyVerifyKey())
	if err != nil {
		return fmt.Errorf("read policy verification key: %w", err)
	}
	key, err := policy.ParseVerifyKey(text)
	if err != nil {
		return fmt.Errorf("read policy verification key: %w", err)
	}
	cfg := policy.Config{VerifyKey: key, Clock: g.cfg.Now}
	digest, _, recorded := g.log.Active(pinPolicy)
	if recorded {
		if cfg.Bundle, err = os.ReadFile(g.layout.Bundle(digest)); err != nil {
			return fmt.Errorf("read active policy bundle: %w", err)
		}
	}
	if g.policy, err = policy.Open(cfg); err != nil {
		return err
	}
	if recorded && g.policyDigest() != digest {
		return errors.New("open policy: the bundle's digest is not the one on record: restore the file or activate a bundle")
	}
	return nil
}

func (g *Gateway) policyDigest() string { return audit.Digest(g.policy.Digest()) }

func invalid(what string, err error) *Refusal {
	return &Refusal{Code: Invalid, Message: what + ": " + err.Error(), Hint: "mend it and try again; nothing was changed"}
}

// writeSynced makes a file durable under its final name: temporary name, sync, rename, sync of the directory.
func writeSynced(path string, data []byte) error {
	var suffix [8]byte
	if _, err := rand.Read(suffix[:]); err != nil {
		return err
	}
	tmp := path + "." + hex.EncodeToString(suffix[:])
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer os.Remove(tmp)
	if _, err := f.Write(data); err != nil {
		f.Close()
		return err
	}
	if err := f.Sync(); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	return syncDir(path)
}
