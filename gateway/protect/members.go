package protect

import (
	"fmt"
	"math/big"
)

// Members is who is in each cell of a public domain, and how evenly its totals come from them: what classical rules look at
// besides the totals. Persons are the engine's ordinals, ascending, each once. Like Cells it is sealed in a Raw.
type Members struct {
	Persons [][]uint32 // per cell
	// Shares[item][cell] is nil for items that count persons.
	Shares [][]Share
}

// Share is how an item's total in a cell comes from its persons. Contributions are taken without their sign.
type Share struct {
	Persons       []uint32 // who contribute anything but 0
	Each          []int64  // how much each of them does; nil: 1
	First, Second int64    // the two largest contributions of a person
	Total         *big.Int // the sum of all
}

// check holds the engine to its word: a cell without its persons would pass for an empty one.
func (m *Members) check(cells, items int) error {
	if m == nil || len(m.Persons) != cells || len(m.Shares) != items {
		return fmt.Errorf("open members: %w", ErrRaw)
	}
	for _, persons := range m.Persons {
		if !ascending(persons) {
			return fmt.Errorf("open members: %w", ErrRaw)
		}
	}
	for _, shares := range m.Shares {
		if shares != nil && len(shares) != cells {
			return fmt.Errorf("open members: %w", ErrRaw)
		}
		for i, s := range shares {
			if s.Total == nil || s.Second < 0 || s.First < s.Second || !ascending(s.Persons) || len(s.Persons) > len(m.Persons[i]) || s.Each != nil && len(s.Each) != len(s.Persons) {
				return fmt.Errorf("open members: %w", ErrRaw)
			}
		}
	}
	return nil
}

func ascending(persons []uint32) bool {
	for i := 1; i < len(persons); i++ {
		if persons[i-1] >= persons[i] {
			return false
		}
	}
	return true
}
