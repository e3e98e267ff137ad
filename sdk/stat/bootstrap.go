package stat

import (
	"math"
	"math/rand/v2"
)

// Seed makes a bootstrap repeatable: use the result digest of the receipt, so that an auditor draws the same replicates.
type Seed [32]byte

// replicates of each bootstrap.
const replicates = 2000

// draws is the stream of random numbers of one bootstrap: ChaCha8 (math/rand/v2), and from it normals by Box and Muller.
// It protects nothing: bootstraps read only what is already released.
type draws struct {
	source *rand.ChaCha8
	spare  float64
	have   bool
}

func (s Seed) draws() *draws { return &draws{source: rand.NewChaCha8(s)} }

// uniform is in (0,1).
func (d *draws) uniform() float64 { return (float64(d.source.Uint64()>>11) + 0.5) / (1 << 53) }

func (d *draws) normal() float64 {
	if d.have {
		d.have = false
		return d.spare
	}
	r, a := math.Sqrt(-2*math.Log(d.uniform())), 2*math.Pi*d.uniform()
	d.spare, d.have = r*math.Sin(a), true
	return r * math.Cos(a)
}

// binomial draws by inversion where that takes few steps, and else from the normal curve, which is then within 1/sqrt(25).
func (d *draws) binomial(n, p float64) float64 {
	n = math.Round(n)
	switch {
	case !(n > 0), !(p > 0):
		return 0
	case p >= 1:
		return n
	case p > 0.5:
		return n - d.binomial(n, 1-p)
	case n*p > 25:
		return math.Min(n, math.Max(0, math.Round(n*p+d.normal()*math.Sqrt(n*p*(1-p)))))
	}
	u, odds := d.uniform(), p/(1-p)
	f := math.Exp(n * math.Log1p(-p))
	k := 0.0
	for u > f && k < n && k < 200 {
		u -= f
		f *= (n - k) / (k + 1) * odds
		k++
	}
	return k
}

// tail turns the number of replicates at least as extreme into a p value that is never 0.
func tail(extreme int) float64 { return float64(extreme+1) / (replicates + 1) }
