package policy

import (
	"bytes"
	"crypto/sha256"
	"slices"
)

// Agreement is a registered data use agreement, as its file says. ParseAgreement makes one; it is valid by construction
// and must not be changed.
type Agreement struct {
	ID       string
	Version  int64
	Title    string
	State    string // active | suspended | ended
	Parties  []string
	Users    []string // empty: every researcher of a party
	Purposes []string
	Datasets []InputAllowed
	Kinds    []string
	Mode     string
	Budget   []PopulationBudget
	// Encrypted are the terms of kind encrypted.
	Encrypted EncryptedTerms

	MinError   float64
	MaxPricePU int64
	PerHour    int64
	Hours      []int64 // [from, to) UTC; [0, 24] if the file names none

	ValidFrom  int64 // unix seconds: first second of valid_from
	ValidUntil int64 // unix seconds: first second after valid_until

	source []byte
}

// PopulationBudget is the agreement's cap on one population's ledger.
type PopulationBudget struct {
	Population string
	// PU is the cap in privacy units; in mode sdc, where the file says cells, in cells.
	PU int64
	// Delta is the cap in delta, in units of 1e-18, for questions with private group keys. 0: none are answered.
	Delta int64

	unit string // the key it was written under
}

// Source is the file as it was registered.
func (a Agreement) Source() []byte { return bytes.Clone(a.source) }

// Digest is the SHA-256 of the file as it was registered.
func (a Agreement) Digest() [32]byte { return sha256.Sum256(a.source) }

// Cap is the agreement's budget on a population.
func (a Agreement) Cap(population string) (pu int64, ok bool) {
	for _, b := range a.Budget {
		if b.Population == population {
			return b.PU, true
		}
	}
	return 0, false
}

// Input is the agreement as a decision sees it. Budgets are not in it: the ledger holds them.
func (a Agreement) Input() InputAgreement {
	in := InputAgreement{
		ID: a.ID, Version: a.Version, State: a.State,
		Parties:  slices.Clone(a.Parties),
		Users:    slices.Clone(a.Users),
		Purposes: slices.Clone(a.Purposes),
		Kinds:    slices.Clone(a.Kinds),
		Mode:     a.Mode, ValidFrom: a.ValidFrom, ValidUntil: a.ValidUntil,
		MinError: a.MinError, MaxPricePU: a.MaxPricePU, PerHour: a.PerHour,
		Hours: slices.Clone(a.Hours), Encrypted: a.Encrypted.input(),
	}
	for _, d := range a.Datasets {
		in.Datasets = append(in.Datasets, InputAllowed{
			ID: d.ID, Columns: slices.Clone(d.Columns), Sensitivity: slices.Clone(d.Sensitivity),
		})
	}
	return in
}
