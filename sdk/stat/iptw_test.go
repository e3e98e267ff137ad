package stat

import (
	"math"
	"testing"
)

func weightedTable() Table {
	tab := Table{Dims: []Dim{labels("site", 3), labels("drug", 2), {Name: "y", Labels: []string{"0", "1", "2", "3"}}}}
	tab.Cells = []float64{
		40, 30, 20, 10, 10, 20, 25, 15,
		30, 30, 10, 5, 30, 30, 35, 20,
		10, 15, 10, 5, 60, 70, 40, 55,
	}
	return tab
}

var bySite = Model{Terms: []Term{{Dim: "site"}}}

// With one coefficient for each stratum, weighting is standardisation: the mean over all persons of their stratum's difference.
func TestWeightedDifferenceIsStandardisation(t *testing.T) {
	tab := weightedTable()
	want, n := 0.0, 0.0
	for s := range 3 {
		var mean, size [2]float64
		for a := range 2 {
			for y := range 4 {
				c := tab.Cells[s*8+a*4+y]
				mean[a] += c * float64(y)
				size[a] += c
			}
		}
		want += (size[0] + size[1]) * (mean[1]/size[1] - mean[0]/size[0])
		n += size[0] + size[1]
	}
	e, err := WeightedDifference(tab, Pair{Dim: "drug"}, "y", bySite)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "difference", e.Value, want/n, 1e-9)
}

func TestWeightedDifferenceNoiseIsTheGradient(t *testing.T) {
	tab := weightedTable()
	tab.Sigma = 0.5
	e, err := WeightedDifference(tab, Pair{Dim: "drug"}, "y", bySite)
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for i := range tab.Cells {
		moved := tab
		moved.Cells = append([]float64(nil), tab.Cells...)
		moved.Cells[i] += 1e-4
		m, _ := WeightedDifference(moved, Pair{Dim: "drug"}, "y", bySite)
		sum += math.Pow((m.Value-e.Value)/1e-4, 2)
	}
	near(t, "noise", (e.NoiseHi-e.NoiseLo)/(2*z), 0.5*math.Sqrt(sum), 1e-4)
}
