package query

// fans bounds the work of a join: for each table, the most rows that one of its rows is joined to, in the result or on the way
// there, whatever order an engine takes. A public table has no such bound, and unbounded stands for it. It follows from what
// import verified and from the text, never from rows: response slots are chosen by it.
func fans(p *Plan) []int64 {
	j := newJoined(p, nil, hardRows)
	n := len(p.Tables)
	out := make([]int64, n)
	for i := range n {
		out[i] = unbounded
		if p.Tables[i].Table.Public {
			continue
		}
		most := make([]int64, 1<<n)
		most[1<<i] = 1
		worst := int64(1)
		for mask := uint(1); mask < 1<<n; mask++ {
			if mask>>i&1 == 0 || mask == 1<<i {
				continue
			}
			most[mask] = unbounded
			for k := range n {
				if k != i && mask>>k&1 == 1 {
					rest := mask &^ (1 << k)
					most[mask] = min(most[mask], times(most[rest], j.factor(k, rest)))
				}
			}
			if most[mask] < unbounded { // no engine joins tables that nothing ties together
				worst = max(worst, most[mask])
			}
		}
		out[i] = worst
		if most[1<<n-1] >= unbounded {
			out[i] = unbounded
		}
	}
	return out
}
