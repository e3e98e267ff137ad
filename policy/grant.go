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
