package policy

import (
	"context"
	"errors"
	"fmt"
)

// ErrProbe says that a bundle allows what no policy may: it is looser than the agreement it decides on.
var ErrProbe = errors.New("bundle allows what an agreement forbids")

// probes break one term of an agreement each. A bundle may be stricter than agreements are, never looser: an agreement is
// what was signed. The probes cannot prove that; they catch a bundle that forgot a term, or allows everything.
var probes = []struct {
	name string
	edit func(*Input)
}{
	{"another organisation", func(in *Input) { in.Principal.Org = "probe-org-2" }},
	{"no organisation", func(in *Input) { in.Agreement.Parties = nil }},
	{"another user", func(in *Input) { in.Agreement.Users = []string{"probe-user-2"} }},
	{"another role", func(in *Input) { in.Principal.Role = "regulator" }},
	{"suspended", func(in *Input) { in.Agreement.State = "suspended" }},
	{"ended", func(in *Input) { in.Agreement.State = "ended" }},
	{"before it is valid", func(in *Input) { in.Agreement.ValidFrom = in.Now + 1 }},
	{"after it was valid", func(in *Input) { in.Agreement.ValidUntil = in.Now }},
	{"purpose not agreed", func(in *Input) { in.Agreement.Purposes = []string{"DUO:0000006"} }},
	{"purpose unknown", func(in *Input) {
		in.Purpose = "probe:none"
		in.Agreement.Purposes = []string{"probe:none"}
	}},
	{"another dataset", func(in *Input) { in.Query.Dataset = "probe_ds_2" }},
	{"another table", func(in *Input) { in.Query.Tables = []string{"t", "u"} }},
	{"no table", func(in *Input) { in.Query.Tables = nil }},
	{"another column", func(in *Input) { in.Query.Columns[0].Name = "t.b" }},
	{"column of another table", func(in *Input) {
		in.Agreement.Datasets[0].Columns = []string{"t.*"}
		in.Query.Columns[0].Name = "u.a"
	}},
	{"another sensitivity", func(in *Input) { in.Query.Columns[0].Sensitivity = "high" }},
	{"another kind", func(in *Input) { in.Query.Kind = "encrypted" }},
	{"kind unknown", func(in *Input) {
		in.Query.Kind = "rows"
		in.Agreement.Kinds = []string{"rows"}
	}},
	{"another mode", func(in *Input) { in.Query.Mode = "sdc" }},
	{"agreement of another mode", func(in *Input) { in.Agreement.Mode = "sdc" }},
	{"below the accuracy floor", func(in *Input) { in.Query.Error = 9.999 }},
	{"above the price limit", func(in *Input) { in.Price.PU = 501 }},
	{"above the rate", func(in *Input) { in.Rate.LastHour = 20 }},
	{"before its hours", func(in *Input) { in.Agreement.Hours = []int64{13, 24} }},
	{"size not declared", func(in *Input) { encryptedProbe(in).Rule = "none" }},
	{"size of another rule", func(in *Input) { encryptedProbe(in).Rule = "range" }},
	{"size too small", func(in *Input) { encryptedProbe(in).Min = 4 }},
	{"too many groups", func(in *Input) { encryptedProbe(in).Groups = 3 }},
	{"not opened", func(in *Input) { encryptedProbe(in).Opened = false }},
	{"encrypted and not described", func(in *Input) {
		encryptedProbe(in)
		in.Query.Encrypted = nil
	}},
	{"after its hours", func(in *Input) { in.Agreement.Hours = []int64{0, 12} }},
}

// probeInput is in order in every respect, under the default bundle.
func probeInput() Input {
	return Input{
		Now:       1_800_014_400, // 2027-01-15 12:00 UTC
		Principal: InputPrincipal{Name: "probe-user", Org: "probe-org", Role: "researcher", Key: "00"},
		Agreement: InputAgreement{
			ID: "agr-probe", Version: 1, State: "active",
			Parties:   []string{"probe-org"},
			Users:     []string{"probe-user"},
			Purposes:  []string{"DUO:0000042"},
			Datasets:  []InputAllowed{{ID: "probe_ds", Columns: []string{"t.a"}, Sensitivity: []string{"low"}}},
			Kinds:     []string{"aggregate"},
			Mode:      "dp",
			ValidFrom: 1_798_761_600, ValidUntil: 1_830_297_600,
			MinError: 10, MaxPricePU: 500, PerHour: 20, Hours: []int64{8, 18},
		},
		Purpose: "DUO:0000042",
		Query: InputQuery{
			Kind: "aggregate", Dataset: "probe_ds", Population: "probe_pop", Class: "low", Mode: "dp",
			Tables:     []string{"t"},
			Columns:    []InputColumn{{Name: "t.a", Sensitivity: "low"}},
			Aggregates: []string{"count"},
			Cells:      4,
			Error:      10,
		},
		Price:  InputPrice{PU: 500, NanoRho: "5000000", DeltaE18: "0"},
		Budget: InputBudget{AgreementPU: 10_000},
		Rate:   InputRate{LastHour: 19},
	}
}

// encryptedProbe turns the input into an encrypted question that is in order.
func encryptedProbe(in *Input) *InputEncrypted {
	in.Agreement.Kinds = []string{"encrypted"}
	in.Agreement.Encrypted = &InputEncryptedTerms{Size: "exact", MinSize: 5, MaxGroups: 2, Opening: true}
	in.Query.Kind = "encrypted"
	in.Query.Encrypted = &InputEncrypted{
		Form: "category", Aggregate: "count", Select: []string{"t.a"}, Entries: 100, Groups: 2, Rule: "exact", Min: 5, Max: 5, Opened: true,
	}
	return in.Query.Encrypted
}

// probe asks the bundle about each. An evaluation error is a denial too, but not one to go into service with.
func (b *Bundle) probe(ctx context.Context) error {
	for _, p := range probes {
		in := probeInput()
		p.edit(&in)
		raw, err := in.canonical()
		if err != nil {
			return fmt.Errorf("probe bundle: %w", err)
		}
		v, err := b.decide(ctx, raw, patientTimeout)
		if err != nil {
			return fmt.Errorf("probe bundle: %s: %w", p.name, err)
		}
		if v.Allowed {
			return fmt.Errorf("%w: %s", ErrProbe, p.name)
		}
	}
	return nil
}
