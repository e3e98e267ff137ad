package gateway_test

import (
	"fmt"
	"math"
	"strings"

	"jali/gateway/identity"
)

// inside are three users of the two parties of one agreement.
var inside = []identity.Principal{uma, ulf, lara}

func groupBy(what, by string) string {
	if by == "" {
		return "SELECT " + what + " FROM person"
	}
	return "SELECT " + by + ", " + what + " FROM person GROUP BY " + by
}

func replaced(s, old, with string) string { return strings.Replace(s, old, with, 1) }

// truth counts the people by columns, in the form of figures.
func truth(people []patient, by string) map[string]float64 {
	out := map[string]float64{}
	for _, p := range people {
		var key []string
		for _, c := range strings.Split(by, ", ") {
			switch c {
			case "region":
				key = append(key, p.region)
			case "sex":
				key = append(key, fmt.Sprint(p.sex))
			case "grade":
				key = append(key, fmt.Sprint(p.grade))
			case "ill":
				key = append(key, fmt.Sprint(p.ill))
			}
		}
		out[strings.Join(key, " ")]++
	}
	return out
}

// narrowest is the attacker's arithmetic on the tables region x grade, region, grade and total: each printed sum is the sum of its
// cells within the rounding of all that was printed in it. Bounds of the withheld cells are tightened until nothing moves (bound
// propagation, which for sums of two columns is as tight as the relaxation of each line); it tells how many withheld cells have
// persons in them and how narrow the narrowest of their intervals is.
func narrowest(people []patient, printed map[string]map[string]float64, half float64) (withheld int, least float64) {
	table, all := printed["region, grade"], truth(people, "region, grade")
	lo, hi := map[string]float64{}, map[string]float64{}
	var cells []string
	for _, region := range []string{"north", "east", "south", "west"} {
		for grade := range 10 {
			cell := fmt.Sprintf("%s %d", region, grade)
			cells = append(cells, cell)
			if v, ok := table[cell]; ok {
				lo[cell], hi[cell] = v-half, v+half
			} else {
				lo[cell], hi[cell] = 0, float64(len(people))
			}
		}
	}
	type sum struct {
		cells []string
		value float64
	}
	var sums []sum
	for _, by := range []string{"region", "grade", ""} {
		for key, v := range printed[by] {
			var of []string
			for _, c := range cells {
				region, grade, _ := strings.Cut(c, " ")
				if by == "" || by == "region" && key == region || by == "grade" && key == grade {
					of = append(of, c)
				}
			}
			sums = append(sums, sum{of, v})
		}
	}
	for moved := true; moved; {
		moved = false
		for _, s := range sums {
			low, high := 0.0, 0.0
			for _, c := range s.cells {
				low, high = low+lo[c], high+hi[c]
			}
			for _, c := range s.cells {
				if x := s.value - half - (high - hi[c]); x > lo[c]+1e-6 {
					lo[c], moved = x, true
				}
				if x := s.value + half - (low - lo[c]); x < hi[c]-1e-6 {
					hi[c], moved = x, true
				}
			}
		}
	}
	least = math.Inf(1)
	for _, c := range cells {
		if _, shown := table[c]; !shown && all[c] > 0 {
			withheld++
			// Whole numbers of persons.
			least = min(least, math.Floor(hi[c])-math.Ceil(max(0, lo[c]))+1)
		}
	}
	return withheld, least
}
