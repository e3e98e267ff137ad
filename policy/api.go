package policy

import "time"

// Input is everything a decision may depend on, and all it depends on: recorded with the intent, it can be decided again.
// It holds resolved catalogue names, never SQL text, literals or data. Field names are the contract with the Rego bundle.
type Input struct {
	Now       int64          `json:"now"` // unix seconds
	Principal InputPrincipal `json:"principal"`
	Agreement InputAgreement `json:"agreement"`
	Purpose   string         `json:"purpose"`
	Query     InputQuery     `json:"query"`
	Price     InputPrice     `json:"price"`
	Budget    InputBudget    `json:"budget"`
	Rate      InputRate      `json:"rate"`
}

type InputPrincipal struct {
	Name string `json:"name"`
	Org  string `json:"org"`
	Role string `json:"role"`
	Key  string `json:"key"`
}

// InputAgreement is the registered agreement the query names.
type InputAgreement struct {
	ID         string         `json:"id"`
	Version    int64          `json:"version"`
	State      string         `json:"state"` // active | suspended | ended
	Parties    []string       `json:"parties"`
	Users      []string       `json:"users"` // principal names; empty: every researcher of a party
	Purposes   []string       `json:"purposes"`
	Datasets   []InputAllowed `json:"datasets"`
	Kinds      []string       `json:"kinds"`
	Mode       string         `json:"mode"`
	ValidFrom  int64          `json:"valid_from"`
	ValidUntil int64          `json:"valid_until"`
	MinError   float64        `json:"min_error"`   // accuracy floor: smallest half-width for counts
	MaxPricePU int64          `json:"max_price_pu"` // of one query
	PerHour    int64          `json:"per_hour"`
	Hours      []int64        `json:"hours"` // [from, to) UTC hours; [0, 24] always
}

// InputAllowed is one dataset of an agreement with the columns it opens ("table.column" or "table.*").
type InputAllowed struct {
	ID          string   `json:"id"`
	Columns     []string `json:"columns"`
	Sensitivity []string `json:"sensitivity"` // classes allowed
}

// InputQuery is the plan as policy sees it.
type InputQuery struct {
	Kind       string        `json:"kind"` // aggregate | encrypted
	Dataset    string        `json:"dataset"`
	Population string        `json:"population"`
	Class      string        `json:"class"`
	Mode       string        `json:"mode"`
	Columns    []InputColumn `json:"columns"`
	Aggregates []string      `json:"aggregates"` // count | count_distinct | sum | avg | var | stddev
	Cells      int64         `json:"cells"`      // 0: private keys
	Private    bool          `json:"private"`
	Error      float64       `json:"error"` // smallest half-width asked for a count, output units
}

type InputColumn struct {
	Name        string `json:"name"` // table.column
	Sensitivity string `json:"sensitivity"`
}

type InputPrice struct {
	PU       int64  `json:"pu"`
	NanoRho  string `json:"nano_rho"` // decimal integer: JSON numbers end at 2^53
	DeltaE18 string `json:"delta_e18"`
}

// InputBudget is what is left, in PU, rounded down. The ledger decides again, exactly, when it charges.
type InputBudget struct {
	AgreementPU  int64 `json:"agreement_pu"`
	PopulationPU int64 `json:"population_pu"`
}

type InputRate struct {
	LastHour int64 `json:"last_hour"` // this principal's queries under this agreement in the last hour
}

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

// Valid reports whether the grant has power at the time.
func (g Grant) Valid(now time.Time) bool { return g.input != nil && now.Before(g.until) }

// Input is the canonical JSON the decision was made on; its digest goes on record.
func (g Grant) Input() []byte { return g.input }

// Bundle is the SHA-256 of the bundle that decided.
func (g Grant) Bundle() [32]byte { return g.bundle }

// Obligations are the conditions of the grant.
func (g Grant) Obligations() Obligations { return g.obl }

// Reason is one failed check of a refusal: a stable code, a sentence, and what the researcher can do.
type Reason struct {
	Code string `json:"code"`
	Text string `json:"text"`
	Hint string `json:"hint"`
}
