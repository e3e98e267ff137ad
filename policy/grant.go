package policy

import (
	"bytes"
	"time"
)

// Grant is permission to run one query. Only Decide makes one with power: the zero Grant has none.
type Grant struct {
	input  []byte // canonical JSON of the Input it was made for
	bundle [32]byte
	until  time.Time
	obl    Obligations
}

// Obligations are what an allow carries.
type Obligations struct {
	MinCohort int64 // rows with a noisy count below it are hidden; private keys below it are never kept
	MaxCells  int64
	// Control is there exactly in mode sdc: the rules that its answers are held to.
	Control *Control
}

// Control are the parameters of classical disclosure control, which has no default: a bundle names every one.
type Control struct {
	MinCell   int64 `json:"min_cell"`          // persons in a printed cell, at least
	Base      int64 `json:"base"`              // printed figures are multiples of it
	Percent   int64 `json:"p_percent"`         // p % rule: the others beyond the second add up to this share of the largest, at least
	Dominance int64 `json:"dominance_percent"` // (n,k) rule with n = 2: the two largest have at most this share
	Cells     int64 `json:"cells"`             // of an agreement in all
	Refusals  int64 `json:"refusals"`          // NOT_RELEASED of an agreement's version until a person looks
}

// grantLife is how long a grant may wait for its commit. A grant ends with its agreement too.
const grantLife = 30 * time.Second

// Valid reports whether the grant has power at the time.
func (g Grant) Valid(now time.Time) bool { return g.input != nil && now.Before(g.until) }

// Input is the canonical JSON the decision was made on; its digest goes on record.
func (g Grant) Input() []byte { return bytes.Clone(g.input) }

// Bundle is the SHA-256 of the bundle that decided.
func (g Grant) Bundle() [32]byte { return g.bundle }

// Obligations are the conditions of the grant.
func (g Grant) Obligations() Obligations { return g.obl }
