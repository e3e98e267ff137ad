package policy

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
)

// ErrInput says that an input does not have the form of input.schema.json. The error names the field, never a value.
var ErrInput = errors.New("policy input is malformed")

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

// InputPrincipal is who asks.
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
	MinError   float64        `json:"min_error"`    // accuracy floor: smallest half-width for counts
	MaxPricePU int64          `json:"max_price_pu"` // of one query
	PerHour    int64          `json:"per_hour"`
	Hours      []int64        `json:"hours"` // [from, to) UTC hours; [0, 24] always
	// Encrypted are the terms of kind encrypted; nil in inputs recorded before there were any.
	Encrypted *InputEncryptedTerms `json:"encrypted,omitempty"`
}

// InputAllowed is one dataset of an agreement with the columns it opens ("table.column" or "table.*").
type InputAllowed struct {
	ID          string   `json:"id"`
	Columns     []string `json:"columns"`
	Sensitivity []string `json:"sensitivity"` // classes allowed
}

// InputQuery is the plan as policy sees it.
type InputQuery struct {
	Kind       string `json:"kind"` // aggregate | encrypted
	Dataset    string `json:"dataset"`
	Population string `json:"population"`
	Class      string `json:"class"`
	Mode       string `json:"mode"`
	// Tables are all tables the query reads, also in subqueries and also those of which it names no column: a bare
	// COUNT(*) touches no column but tells the size of a table. Never empty.
	Tables     []string      `json:"tables"`
	Columns    []InputColumn `json:"columns"`
	Aggregates []string      `json:"aggregates"` // count | count_distinct | sum | avg | var | stddev
	Cells      int64         `json:"cells"`      // 0: private keys
	Private    bool          `json:"private"`
	Error      float64       `json:"error"` // smallest half-width asked for a count, output units
	// Encrypted describes a question of kind encrypted; nil for others.
	Encrypted *InputEncrypted `json:"encrypted,omitempty"`
}

// InputColumn is one column the query touches.
type InputColumn struct {
	Name        string `json:"name"` // table.column
	Sensitivity string `json:"sensitivity"`
}

// InputPrice is the price of the query.
type InputPrice struct {
	PU       int64  `json:"pu"`
	NanoRho  string `json:"nano_rho"` // decimal integer: JSON numbers end at 2^53
	DeltaE18 string `json:"delta_e18"`
}

// InputBudget is what is left to the agreement, in PU, rounded down. The ledger decides again, exactly, when it charges. What is left
// to the population is not here: the input is disclosed to the asker with the receipt, and that figure is for regulators.
type InputBudget struct {
	AgreementPU int64 `json:"agreement_pu"`
}

// InputRate is how much the principal has asked.
type InputRate struct {
	LastHour int64 `json:"last_hour"` // this principal's queries under this agreement in the last hour
}

//go:embed input.schema.json
var inputSchemaJSON []byte

// inputSchema is the contract of the input, also used to type-check bundles.
var inputSchema = mustParseSchema(inputSchemaJSON)

// maxInput bounds a recorded input: the schema's widest real agreement stays far below it.
const maxInput = 4 << 20

// canonical is the JSON that is decided on and recorded: Go's field order, empty lists as [], no HTML escapes.
func (in Input) canonical() ([]byte, error) {
	in.Agreement.Parties = list(in.Agreement.Parties)
	in.Agreement.Users = list(in.Agreement.Users)
	in.Agreement.Purposes = list(in.Agreement.Purposes)
	in.Agreement.Kinds = list(in.Agreement.Kinds)
	in.Agreement.Hours = list(in.Agreement.Hours)
	in.Query.Tables = list(in.Query.Tables)
	in.Query.Columns = list(in.Query.Columns)
	in.Query.Aggregates = list(in.Query.Aggregates)
	datasets := make([]InputAllowed, len(in.Agreement.Datasets))
	for i, d := range in.Agreement.Datasets {
		datasets[i] = InputAllowed{ID: d.ID, Columns: list(d.Columns), Sensitivity: list(d.Sensitivity)}
	}
	in.Agreement.Datasets = datasets
	in.Query.Encrypted = in.Query.Encrypted.canonical()

	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(in); err != nil {
		// Only a float that is no number fails to encode; the text of the error would quote it.
		return nil, fmt.Errorf("%w: a number is infinite or undefined", ErrInput)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func list[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// parseInput turns recorded JSON into a value for the evaluator.
func parseInput(raw []byte) (ast.Value, error) {
	if len(raw) > maxInput {
		return nil, fmt.Errorf("%w: it is longer than %d bytes", ErrInput, maxInput)
	}
	v, err := ast.ValueFromReader(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("%w: it is not JSON", ErrInput)
	}
	return v, nil
}

// checkInput holds a value to the schema. Every evaluation begins with it.
func checkInput(v ast.Value) error {
	if err := inputSchema.check(v, "input"); err != nil {
		return fmt.Errorf("%w: %w", ErrInput, err)
	}
	return nil
}
