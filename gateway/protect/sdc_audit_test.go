package protect

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A tracker of three answers passes every rule about pairs, and the audit finds it: A with 3 persons more, in two halves.
func TestAuditFindsLongTrackers(t *testing.T) {
	for name, c := range map[string]struct {
		sets [][]uint32
		want Exposure
	}{
		"halves apart": {[][]uint32{people(0, 100), people(100, 200)}, Exposure{Party: "Uni", Sets: 2, Atoms: 2}},
		// {0..99} + {100..199} and all but three of both.
		"three are told": {[][]uint32{people(0, 100), people(100, 200), people(3, 200)}, Exposure{Party: "Uni", Sets: 3, Atoms: 3, Small: 1, Free: 1, Told: 1}},
		"small and safe": {[][]uint32{people(0, 100), people(97, 200)}, Exposure{Party: "Uni", Sets: 2, Atoms: 3, Small: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			m := &Memory{}
			for i, persons := range c.sets {
				s := newTold(bitmap(persons), nil)
				if s.clashes(m.sets, 11) {
					t.Fatalf("set %d: the rule for pairs sees it already", i)
				}
				m.add(Disclosed{parties: []string{"Uni"}, sets: []*told{s}})
			}
			if diff := cmp.Diff([]Exposure{c.want}, m.Audit(11)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Who contributes to a sum is no count of persons: nobody can take the one from the other.
func TestAuditKeepsSumsApart(t *testing.T) {
	m := &Memory{}
	for _, s := range []*told{
		newTold(bitmap(people(0, 100)), nil),
		newTold(bitmap(people(3, 100)), slices.Repeat([]int64{40}, 97)), // three persons cost nothing
	} {
		m.add(Disclosed{parties: []string{"Uni"}, sets: []*told{s}})
	}
	if diff := cmp.Diff([]Exposure{{Party: "Uni", Sets: 2, Atoms: 2}}, m.Audit(11)); diff != "" {
		t.Error(diff)
	}
	m.add(Disclosed{parties: []string{"Uni"}, sets: []*told{newTold(bitmap(people(0, 100)), slices.Repeat([]int64{40}, 100))}})
	if got := m.Audit(11); got[0].Told != 1 {
		t.Errorf("%+v: two sums that differ by three persons are told", got)
	}
}
