package gateway

import (
	"time"

	"jali/gateway/budget"
	"jali/gateway/protect"
	"jali/policy"
	"jali/sdk/analysis"
)

// Request is one SQL question as a transport hands it over: text and numbers as given, nothing checked yet.
type Request struct {
	Agreement string
	Purpose   string
	Dataset   string // empty: the agreement's only dataset
	SQL       string
	// Error is the half-width asked for, as decimal text: counts in rows or persons, sums in the output unit; AVG, VAR and
	// STDDEV buy their parts at this many persons. ErrorFor overrides it for an output by name.
	Error    string
	ErrorFor map[string]string
	// RequestID makes retries safe: the same id under the same agreement is answered once. Empty: none.
	RequestID string
	QuoteID   string
}

// Answer is what leaves.
type Answer struct {
	Released protect.Released // the whole table: every row in catalogue order, every output once
	View     protect.View     // what the asker wants to see of it, in which order, under which names
	Result   []byte           // canonical JSON of Released; the receipt's digest is over these bytes
	Price    budget.Price
	Budget   Remaining
	Replayed bool
	Receipt  []byte // jali-receipt/1 JSON
	Decision uint64 // sequence number of the INTENT entry
	SlotOff  bool
	// Label says how the answer is protected where no guarantee stands behind it: protect.ControlledLabel, in mode sdc.
	Label string
	// Notes say what the figures leave out: contribution caps that were enforced.
	Notes []string
	// Derived is what a table function asked for, and Analysis the specification it is derived with from Result. Nil otherwise.
	Derived  *analysis.Derived
	Analysis []byte
	// Extent bounds Derived by the shape of its question.
	Extent Extent
}

// Remaining is the balance after the answer.
type Remaining struct{ Agreement, Population budget.PU }

// Offer is a quote as the asker sees it.
type Offer struct {
	Allowed bool
	Label   string // as Answer.Label
	Unit    string // of price and budget: as Ledger.Unit
	Reasons []policy.Reason
	ID      string
	Expires time.Time
	Price   budget.Price
	Error95 []OfferError
	Plan    OfferPlan
	Budget  Remaining
	// Population is "sufficient" or "insufficient"; the exact figure is for regulators.
	Population string
	Fits       string // smallest plain error that fits the budget, when this one does not
	Warnings   []string
	// Detectable is, for an analysis, the smallest ratio that would be found at sizes a planner would declare.
	Detectable []OfferError
	// Hiding is the chance that a group of N is hidden by its noise; nil when none ever is.
	Hiding []SizeError
}

// OfferError is the half-width of one output, known before anything is spent. Means are known only per size: Sizes lists
// n and the half-width at n.
type OfferError struct {
	Name  string
	Value float64
	Sizes []SizeError
}

// SizeError is a half-width at a group of N rows or persons.
type SizeError struct {
	N     int64
	Value float64
}

// OfferPlan is the plan in words a person can check.
type OfferPlan struct {
	Dataset, Version, Formulation, Mechanism string
	Columns                                  []string
	Cells, RowsPerPerson, GroupsPerPerson    int64
	RowsPerGroup                             int64
	HideBelow                                int64
	Hash                                     string
}

// BudgetReport is what BudgetService shows.
type BudgetReport struct {
	Agreement string
	Ledgers   []Ledger
	Charges   []Charge
}

// Ledger is the agreement's budget on one population. Population figures are -1 unless the caller may see them.
type Ledger struct {
	// Unit is "cells" in mode sdc, where a whole unit is a cell; empty: privacy units.
	Unit                           string
	Population                     string
	Cap, Spent, Remaining          budget.PU
	SpentEpsilon, CapEpsilon       float64 // at delta = 1e-7, rounded up, for display
	PopulationState                string  // sufficient | low | exhausted
	PopulationCap, PopulationSpent budget.PU
}

// Charge is one debit of an agreement.
type Charge struct {
	Seq        uint64
	Time       int64 // unix microseconds
	Population string
	Price      budget.PU
	Outcome    string
	Query      string
}

// LogEntry is an audit entry as a reader gets it.
type LogEntry struct {
	Seq     uint64
	Header  []byte
	Details []string // disclosures the reader may see
}

// Activated names the entry that records a change of state, and the digest of what became active.
type Activated struct {
	Seq    uint64
	Digest string
	// Warnings name what looks like a mistake but may be meant.
	Warnings []string
	Unit     string // of a budget: as Ledger.Unit
}

// Status is the operator's view.
type Status struct {
	Size     uint64
	Origin   string
	Policy   string
	Datasets map[string]string // id -> active version
	// Manifests are those of the active versions.
	Manifests map[string][]byte
	Problems  []string
}
