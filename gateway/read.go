package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"jali/audit"
	"jali/audit/export"
	"jali/crypto/noise"
	"jali/gateway/catalog"
	"jali/gateway/identity"
)

// Datasets lists the catalogues with an active version that the caller may see: a researcher those its agreements cover,
// regulators and custodians all.
func (g *Gateway) Datasets(who identity.Principal) []*catalog.Dataset {
	g.mu.RLock()
	defer g.mu.RUnlock()
	var out []*catalog.Dataset
	for id, d := range g.datasets {
		if who.Role != identity.Researcher || g.coveredLocked(who, id) {
			out = append(out, d.catalog)
		}
	}
	slices.SortFunc(out, func(a, b *catalog.Dataset) int { return strings.Compare(a.ID, b.ID) })
	return out
}

func (g *Gateway) coveredLocked(who identity.Principal, dataset string) bool {
	for _, a := range g.agreements {
		if a.party(who) && a.covers(dataset) {
			return true
		}
	}
	return false
}

// Version is the active data version of a dataset, or "".
func (g *Gateway) Version(dataset string) string {
	if d := g.dataset(dataset); d != nil {
		return d.version
	}
	return ""
}

// party reports whether the principal belongs to the agreement: its organisation is a party, and if users are named, it is
// one of them.
func (a *agreement) party(who identity.Principal) bool {
	return slices.Contains(a.Parties, who.Org) && (len(a.Users) == 0 || slices.Contains(a.Users, who.Name))
}

// maySee reports whether the principal may see an agreement's budget and charges.
func (a *agreement) maySee(who identity.Principal) bool {
	return who.Role == identity.Regulator || who.Role == identity.Custodian || who.Role == identity.Researcher && a.party(who)
}

// reportDelta is the delta at which eps is shown.
const reportDelta = 1e-7

// Budget tells what an agreement has, what it spent, and on what.
func (g *Gateway) Budget(ctx context.Context, who identity.Principal, id string) (BudgetReport, error) {
	a := g.agreement(id)
	if a == nil || !a.maySee(who) {
		return BudgetReport{}, &Refusal{Code: NotFound, Message: "no agreement of this id is open to you", Hint: "check the id and your certificate's organisation"}
	}
	report := BudgetReport{Agreement: id}
	for _, b := range a.Budget {
		bal, err := g.log.Balance(id, b.Population)
		if err != nil {
			return BudgetReport{}, unavailable()
		}
		left := bal.Population.Cap.Rho - bal.Population.Spent.Rho
		l := Ledger{
			Population: b.Population,
			Cap:        wholePU(bal.Agreement.Cap.Rho), Spent: spentPU(bal.Agreement.Spent.Rho),
			Remaining:       wholePU(bal.Agreement.Cap.Rho - bal.Agreement.Spent.Rho),
			PopulationState: "sufficient", PopulationCap: -1, PopulationSpent: -1,
		}
		if a.Mode == "sdc" {
			l.Unit = unitCells
		} else {
			l.SpentEpsilon, l.CapEpsilon = noise.Epsilon(bal.Agreement.Spent.Rho, reportDelta), noise.Epsilon(bal.Agreement.Cap.Rho, reportDelta)
		}
		switch {
		case left <= 0:
			l.PopulationState = "exhausted"
		case left < bal.Population.Cap.Rho/10:
			l.PopulationState = "low"
		}
		if who.Role != identity.Researcher {
			l.PopulationCap, l.PopulationSpent = wholePU(bal.Population.Cap.Rho), spentPU(bal.Population.Spent.Rho)
		}
		report.Ledgers = append(report.Ledgers, l)
	}
	charges, err := g.charges(who, id)
	if err != nil {
		return BudgetReport{}, unavailable()
	}
	var shown []uint64
	for _, c := range charges {
		if c.Query != "" {
			shown = append(shown, c.Seq)
		}
	}
	if err := g.reviewed(ctx, who, shown); err != nil {
		return BudgetReport{}, err
	}
	report.Charges = charges
	return report, nil
}

const (
	mostCharges = 100
	mostScanned = 20_000
	page        = 1_000
)

// charges reads the log backwards for the agreement's latest debits. The text of a charge is shown to its own asker and to
// regulators and custodians.
func (g *Gateway) charges(who identity.Principal, id string) ([]Charge, error) {
	var out []Charge
	held, err := g.held()
	if err != nil {
		return nil, err
	}
	size := g.log.Size()
	for end := size; end > 0 && len(out) < mostCharges && size-end < mostScanned; {
		from := end - min(end, page)
		lines, err := g.log.Entries(from, int(end-from))
		if err != nil {
			return nil, err
		}
		for i := len(lines) - 1; i >= 0 && len(out) < mostCharges; i-- {
			e, err := audit.ParseEntry(lines[i])
			if err != nil {
				return nil, err
			}
			if e.Kind != audit.Intent || e.Text("ag") != id {
				continue
			}
			c := Charge{Seq: e.Seq, Time: e.Time, Population: e.Text("pop"), Price: spentPU(e.Part("cost", "r")), Outcome: "open"}
			if kind, _, _, ok := g.log.Outcome(e.Seq); ok {
				c.Outcome = string(kind)
			}
			if own := g.owns(who, e.Seq); !held(e) && (own || who.Role != identity.Researcher) {
				c.Query, _ = g.detail(e.Seq, "query")
			}
			out = append(out, c)
		}
		end = from
	}
	return out, nil
}

// owns reports whether the actor recorded with an entry is the principal.
func (g *Gateway) owns(who identity.Principal, seq uint64) bool {
	text, err := g.detail(seq, "actor")
	if err != nil {
		return false
	}
	var a struct {
		Key string `json:"key"`
	}
	return json.Unmarshal([]byte(text), &a) == nil && a.Key != "" && a.Key == who.Key
}

// Entries pages through the log. Headers are for everyone; details for regulators and custodians, and for a researcher those
// of its own questions.
func (g *Gateway) Entries(ctx context.Context, who identity.Principal, from uint64, n int, details bool) ([]LogEntry, uint64, error) {
	if n <= 0 || n > page {
		n = page
	}
	size := g.log.Size()
	if from >= size {
		return nil, size, nil
	}
	lines, err := g.log.Entries(from, int(min(uint64(n), size-from)))
	if err != nil {
		return nil, size, unavailable()
	}
	seqs := make([]uint64, len(lines))
	for i := range lines {
		seqs[i] = from + uint64(i)
	}
	out, err := g.disclosed(ctx, who, seqs, lines, details)
	return out, size, err
}

// isReview reports whether a line is the record of a reading.
func isReview(line []byte) bool {
	e, err := audit.ParseEntry(line)
	return err == nil && e.Kind == audit.Review
}

func (g *Gateway) mayRead(who identity.Principal, line []byte, seq uint64) bool {
	switch who.Role {
	case identity.Regulator, identity.Custodian:
		return true
	case identity.Researcher:
		e, err := audit.ParseEntry(line)
		if err != nil {
			return false
		}
		switch e.Kind {
		case audit.Intent, audit.Refused, audit.Replay:
			return g.owns(who, seq)
		case audit.Release:
			return e.Ref != nil && g.owns(who, *e.Ref)
		case audit.Timestamp:
			return true // a token names nobody but its authority
		}
	}
	return false
}

// Checkpoint is the latest signed checkpoint with the keys that verify it.
func (g *Gateway) Checkpoint(identity.Principal) ([]byte, string, []string, error) {
	return g.log.Checkpoint(), g.log.Origin(), g.log.VKeys(), nil
}

// Cosigned is the latest checkpoint that enough witnesses have cosigned, with their cosignatures; nil while there is none. Readers
// judge it by their own copy of the seal policy.
func (g *Gateway) Cosigned(identity.Principal) ([]byte, error) {
	note, err := g.log.CosignedCheckpoint()
	if err != nil {
		return nil, unavailable()
	}
	return note, nil
}

// SealPolicy is the quorum file in force for sealed receipts; nil while no witnesses are configured.
func (g *Gateway) SealPolicy() []byte {
	if g.witnesses.seal == nil {
		return nil
	}
	return g.witnesses.seal.Text
}

// AudienceOf is the widest audience of an export for which Entries shows a caller all that belongs into it: one that is labelled for a
// wider audience would look as if details had been erased. Public for a role of which nothing is known.
func AudienceOf(who identity.Principal) string {
	switch who.Role {
	case identity.Regulator, identity.Custodian:
		return export.Regulator
	case identity.Researcher:
		if who.Key != "" {
			return export.Researcher + ":" + who.Key
		}
	}
	return export.Public
}

// Final is the last checkpoint of the log before this one; empty for a log that began by itself.
func (g *Gateway) Final() []byte { return g.log.Final() }

// Proof is the C2SP tlog-proof of one entry against the latest checkpoint.
func (g *Gateway) Proof(_ identity.Principal, seq uint64) ([]byte, error) {
	if seq >= g.log.Size() {
		return nil, &Refusal{Code: NotFound, Message: "the log has no such entry", Hint: "entries are numbered from 0 to its size less one"}
	}
	p, err := g.log.Proof(seq)
	if err != nil {
		return nil, unavailable()
	}
	return p, nil
}

// Consistency is the RFC 6962 proof that the log of the new size extends the log of the old size.
func (g *Gateway) Consistency(_ identity.Principal, oldSize, newSize uint64) ([][]byte, error) {
	if oldSize > newSize || newSize > g.log.Size() {
		return nil, &Refusal{Code: Invalid, Message: "sizes must not decrease or exceed the log", Hint: "read the checkpoint first"}
	}
	p, err := g.log.Consistency(oldSize, newSize)
	if err != nil {
		return nil, unavailable()
	}
	out := make([][]byte, len(p))
	for i := range p {
		out[i] = p[i][:]
	}
	return out, nil
}

// Wait returns when the log is larger than size, or the context ends.
func (g *Gateway) Wait(ctx context.Context, size uint64) (uint64, error) {
	return g.log.Wait(ctx, size)
}

// Status is what an operator sees at a glance.
func (g *Gateway) Status() Status {
	g.mu.RLock()
	defer g.mu.RUnlock()
	s := Status{Size: g.log.Size(), Origin: g.log.Origin(), Policy: g.policyDigest(), Datasets: map[string]string{}, Manifests: map[string][]byte{}, Problems: slices.Clone(g.problems)}
	for id, d := range g.datasets {
		s.Datasets[id], s.Manifests[id] = d.version, d.manifest.Encode()
	}
	return s
}

// CheckEngines tries on every served data version what its engine must refuse.
func (g *Gateway) CheckEngines(ctx context.Context) error {
	g.mu.RLock()
	defer g.mu.RUnlock()
	for id, d := range g.datasets {
		if err := d.engine.CheckLockdown(ctx); err != nil {
			return fmt.Errorf("dataset %s: %w", id, err)
		}
	}
	return nil
}

// Export writes the log for an audience to a directory of the gateway's host. The export is itself an entry.
func (g *Gateway) Export(ctx context.Context, dir, audience string) (Activated, error) {
	seq, digest, err := g.log.Export(ctx, dir, audience)
	if err != nil {
		return Activated{}, invalid("export", err)
	}
	return Activated{Seq: seq, Digest: digest}, nil
}
