package protect

import (
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
