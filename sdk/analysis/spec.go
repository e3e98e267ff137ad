package analysis

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strings"

	"jali/sdk/stat"
)

// ErrSpec: the specification of an analysis, or the result it is applied to, is malformed.
var ErrSpec = errors.New("analysis is malformed")

// Spec says what the dimensions of a released histogram mean and which statistic to derive. It comes from the question's text
// and price alone, before any data is touched.
type Spec struct {
	Statistic Statistic `json:"statistic"`
	// Dims are the group columns of the recorded result, in order.
	Dims []Dim `json:"dims"`
	// Count is the recorded name of the measure that counts each cell, and Sigma2 the variance of its noise as "num/den".
	Count  string `json:"count"`
	Sigma2 string `json:"sigma2"`

	// Levels are the coarser levels of a hierarchical histogram, from the coarsest: each number is that of Block neighbouring bins.
	Levels []Level `json:"levels,omitempty"`

	Time     string   `json:"time,omitempty"` // names of Dims, like all below
	Value    string   `json:"value,omitempty"`
	X        string   `json:"x,omitempty"` // the other side of a correlation
	Event    Pair     `json:"event,omitzero"`
	Exposure Pair     `json:"exposure,omitzero"`
	Outcome  Pair     `json:"outcome,omitzero"`
	By       []string `json:"by,omitempty"`
	Ref      string   `json:"ref,omitempty"` // label of By[0] that the others are compared with
	Strata   []string `json:"strata,omitempty"`
	Terms    []Term   `json:"terms,omitempty"`

	At []float64 `json:"at,omitempty"` // times, or shares from 0 to 1, that are asked for
	// MinGroup hides figures that rest on fewer than so many, noise included.
	MinGroup int64 `json:"min_group,omitempty"`
}

// Fanout is that of hierarchical histograms: how many nodes of one level a node of the level above it has (disclosure-control.md
// section 8).
const Fanout = 16

// Level is one level of a hierarchical histogram: a recorded measure, with the same noise as Count has.
type Level struct {
	Count string `json:"count"`
	Block int    `json:"block"`
}

// Dim is a group column: the name it has in the statistics, and for numeric columns the values that each label stands for, in the
// order of the labels. The label NULL ("other") stands for none.
type Dim struct {
	Name string  `json:"name"`
	Unit string  `json:"unit,omitempty"`
	Lo   []Bound `json:"lo,omitempty"`
	Hi   []Bound `json:"hi,omitempty"`
}

// Pair names the two labels of a dimension that a yes-or-no question is about.
type Pair struct {
	Dim string `json:"dim"`
	Yes string `json:"yes"`
	No  string `json:"no"`
}

// IsZero reports that no pair is named.
func (p Pair) IsZero() bool { return p.Dim == "" }

// Term is a covariate of a regression. Form is "category", "number" (the middle of its bins), "square" or "log" of it. Ref is the
// label that the others of a categorical covariate are compared with.
type Term struct {
	Dim  string `json:"dim"`
	Form string `json:"form"`
	Ref  string `json:"ref,omitempty"`
}

// Bound is an end of a bin. In JSON an infinite one is "inf" or "-inf", and none (NaN) is null.
type Bound float64

// None is the bound of a label that stands for no number.
var None = Bound(math.NaN())

// MarshalJSON writes a bound.
func (b Bound) MarshalJSON() ([]byte, error) {
	switch x := float64(b); {
	case math.IsNaN(x):
		return []byte("null"), nil
	case math.IsInf(x, 1):
		return []byte(`"inf"`), nil
	case math.IsInf(x, -1):
		return []byte(`"-inf"`), nil
	default:
		return json.Marshal(x)
	}
}

// UnmarshalJSON reads a bound.
func (b *Bound) UnmarshalJSON(text []byte) error {
	switch string(text) {
	case "null":
		*b = None
	case `"inf"`:
		*b = Bound(math.Inf(1))
	case `"-inf"`:
		*b = Bound(math.Inf(-1))
	default:
		var x float64
		if err := json.Unmarshal(text, &x); err != nil {
			return fmt.Errorf("%w: an end of a bin is no number", ErrSpec)
		}
		*b = Bound(x)
	}
	return nil
}

// ParseSpec reads a specification as a gateway sends it.
func ParseSpec(text []byte) (Spec, error) {
	var s Spec
	dec := json.NewDecoder(strings.NewReader(string(text)))
	if err := dec.Decode(&s); err != nil {
		return Spec{}, fmt.Errorf("%w: %w", ErrSpec, err)
	}
	if !s.Statistic.Known() {
		return Spec{}, fmt.Errorf("%w: this version does not know the statistic", ErrSpec)
	}
	_, err := s.sigma()
	return s, err
}

// sigma is the standard deviation of a cell's noise.
func (s Spec) sigma() (float64, error) {
	r, ok := new(big.Rat).SetString(s.Sigma2)
	if !ok || r.Sign() < 0 || len(s.Sigma2) > 400 {
		return 0, fmt.Errorf("%w: the variance of the noise is no number", ErrSpec)
	}
	f, _ := r.Float64()
	return math.Sqrt(f), nil
}

func (p Pair) stat() stat.Pair { return stat.Pair{Dim: p.Dim, Yes: p.Yes, No: p.No} }
