package protect

import (
	"context"
	"errors"
	"fmt"
	"math/big"

	"jali/crypto/cohort"
	"jali/crypto/noise"
)

// BlindSpec says how the exact numbers of an engine become vectors over which an encrypted selector is summed. It is made from
// plan and catalogue, never from data.
type BlindSpec struct {
	Params *cohort.Params
	// Slots gives, for each cell of the engine's result, its entry in the published list; -1 leaves the cell out. Entries
	// that no cell maps to are 0.
	Slots   []int
	Entries int
	// Bounds has, per item, what the sum of all absolute cells cannot exceed, from public facts alone: import and the
	// catalogue imply it. A result beyond it is refused, so it must hold for every database of the catalogue.
	Bounds []int64
}

// Blinded are prepared vectors. Nothing but EvaluateBlind reads them. They may be kept and used again: each evaluation draws
// noise of its own and is charged for.
type Blinded struct {
	open  func() []*cohort.Table
	bytes int
}

// Bytes is what the vectors hold in memory, for caches.
func (b Blinded) Bytes() int { return b.bytes }

// BlindQuestion is an accepted, charged upload.
type BlindQuestion struct {
	Key    *cohort.Registration
	Query  cohort.Query
	Upload *cohort.Upload
}

// cut is where a draw is thrown away and drawn again, in sigmas: sums never leave the range that the parameters decrypt. It
// happens with probability below 2^-102, which the price adds to delta.
const cut = 12

// Check reports what PrepareBlind or EvaluateBlind would refuse for items of this noise. Call it before charging.
func (s BlindSpec) Check(items []Item) error {
	_, err := s.check(items)
	return err
}

func (s BlindSpec) check(items []Item) ([]*noise.Gaussian, error) {
	if s.Params == nil || s.Entries < 1 || len(s.Slots) == 0 || len(items) == 0 || len(items) != len(s.Bounds) {
		return nil, fmt.Errorf("%w: parameters, entries, slots, items and their bounds are required", ErrSpec)
	}
	used := make([]bool, s.Entries)
	for _, slot := range s.Slots {
		if slot >= s.Entries || slot < -1 || slot >= 0 && used[slot] {
			return nil, fmt.Errorf("%w: a cell has no entry of its own", ErrSpec)
		}
		if slot >= 0 {
			used[slot] = true
		}
	}
	var gauss []*noise.Gaussian
	for i, it := range items {
		g, err := noise.NewGaussian(it.Sigma2)
		if err != nil {
			return nil, fmt.Errorf("%w: item %s: %w", ErrSpec, it.Name, err)
		}
		if s.Bounds[i] < 0 || s.Bounds[i] > s.room() || beyond(big.NewInt(s.room()), it.Sigma2) < 0 {
			return nil, fmt.Errorf("%w: item %s and its noise do not fit the parameter set %s", ErrSpec, it.Name, s.Params.ID())
		}
		gauss = append(gauss, g)
	}
	return gauss, nil
}

// room is half the range of the set: for the sum, and again for the noise, so that vectors serve every accuracy.
func (s BlindSpec) room() int64 { return s.Params.Limit() / 2 }

// beyond compares |y| with cut*sigma.
func beyond(y *big.Int, v noise.Variance) int {
	l := new(big.Int).Mul(y, y)
	l.Mul(l, v.Den)
	return l.Cmp(new(big.Int).Mul(v.Num, big.NewInt(cut*cut)))
}

// PrepareBlind opens an exact result and seals it again as vectors. Its errors say nothing about the data.
func PrepareBlind(raw Raw, s BlindSpec) (Blinded, error) {
	if raw.open == nil || s.Params == nil {
		return Blinded{}, fmt.Errorf("prepare vectors: %w", ErrRaw)
	}
	found := raw.open()
	if found.Keys != nil || len(found.Values) != len(s.Bounds) {
		return Blinded{}, fmt.Errorf("prepare vectors: %w", ErrRaw)
	}
	var tables []*cohort.Table
	bytes := 0
	for item, cells := range found.Values {
		values, err := s.vector(cells, s.Bounds[item])
		if err != nil {
			return Blinded{}, fmt.Errorf("prepare vectors: %w", err)
		}
		t, err := cohort.PrepareTable(values, cohort.TableConfig{Params: s.Params, Low: -s.Bounds[item], High: s.Bounds[item], MaxNoise: s.room()})
		if err != nil {
			return Blinded{}, fmt.Errorf("prepare vectors: %w", ErrRaw) // its text may tell of sums
		}
		tables, bytes = append(tables, t), bytes+t.Bytes()
	}
	return Blinded{open: func() []*cohort.Table { return tables }, bytes: bytes}, nil
}

// vector puts cells into their slots, and holds their sum to its bound.
func (s BlindSpec) vector(cells []*big.Int, bound int64) ([]int64, error) {
	if len(cells) != len(s.Slots) {
		return nil, ErrRaw
	}
	values, sum := make([]int64, s.Entries), new(big.Int)
	for i, v := range cells {
		if v == nil || s.Slots[i] < 0 {
			continue
		}
		if sum.Add(sum, new(big.Int).Abs(v)); !sum.IsInt64() || sum.Int64() > bound || s.Slots[i] >= s.Entries {
			return nil, ErrRaw
		}
		values[s.Slots[i]] = v.Int64()
	}
	return values, nil
}

// EvaluateBlind answers a charged question: for each item a fresh exact draw, added to the encrypted sum inside the cipher. The
// noise exists in this function only. It is called once per charge; its errors say nothing about data or selector.
func EvaluateBlind(ctx context.Context, b Blinded, s BlindSpec, items []Item, q BlindQuestion) ([]byte, error) {
	gauss, err := s.check(items)
	if err != nil {
		return nil, fmt.Errorf("evaluate: %w", err)
	}
	if b.open == nil {
		return nil, fmt.Errorf("evaluate: %w", ErrRaw)
	}
	tables := b.open()
	if len(tables) != len(items) {
		return nil, fmt.Errorf("evaluate: %w", ErrRaw)
	}
	sampler, err := noise.NewSampler()
	if err != nil {
		return nil, fmt.Errorf("evaluate: %w", err)
	}
	defer sampler.Close()
	aggregates := make([]cohort.Aggregate, len(items))
	defer clear(aggregates)
	for i, g := range gauss {
		eta, err := drawWithin(sampler.Draw, g)
		if err != nil {
			return nil, fmt.Errorf("evaluate: %w", err)
		}
		aggregates[i] = cohort.Aggregate{Table: tables[i], Noise: eta}
	}
	reply, err := cohort.Evaluate(ctx, cohort.Evaluation{Key: q.Key, Query: q.Query, Upload: q.Upload, Aggregates: aggregates})
	if err != nil {
		return nil, fmt.Errorf("evaluate: %w", err)
	}
	return reply, nil
}

// drawWithin draws until the noise is within cut sigmas. A hundred misses in a row come from a broken source.
func drawWithin(draw func(*noise.Gaussian) (*big.Int, error), g *noise.Gaussian) (int64, error) {
	for range 100 {
		y, err := draw(g)
		if err != nil {
			return 0, err
		}
		if beyond(y, g.Variance()) <= 0 && y.IsInt64() {
			return y.Int64(), nil
		}
	}
	return 0, errors.New("noise source is broken")
}
