package attacks

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// timing (22): how long a question takes that finds the target's rows, or none. Client and gateway are warm, the order is random, the first
// twentieth is left out. Times at the client include what else the machine does: a difference of some milliseconds takes the long set to see.
//
// The criterion is the design's, Kolmogorov-Smirnov p > 0.01 and Welch's |t| < 4.5 over 10,000 runs (long). An honest gateway breaks the first in one run of a
// hundred, so it is judged on fresh runs then: it fails by chance with probability 1e-4, and with 7e-6 by the second.
func timing(t *testing.T, x *arena) {
	a := x.agree(t, rich, "left", "right")
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	n := pick(60, 5000)
	var took [2][]float64
	var missed [2]int // slots, by side
	p, welch := 0.0, 0.0
	for range 2 {
		took = [2][]float64{}
		for i := range 2 * n {
			side := rng.IntN(2)
			began := time.Now()
			r := x.once(t, a, []string{"left", "right"}[side], "100", "SELECT COUNT(*) AS n FROM trial WHERE v > 1000 AND target = 1 AND "+x.fresh())
			if r == nil {
				missed[side]++
			} else if i > n/10 {
				took[side] = append(took[side], float64(time.Since(began))/1e6)
			}
		}
		p, welch = ksTail(took[0], took[1]), welchT(took[0], took[1])
		if p > 0.01 && math.Abs(welch) < 4.5 {
			break
		}
		t.Logf("times differ by chance or not, and are measured again: p = %.2g, t = %.2f", p, welch)
	}
	if p <= 0.01 || math.Abs(welch) >= 4.5 {
		t.Errorf("times differ: p = %.2g, Welch t = %.2f, medians %.2f and %.2f ms", p, welch, median(took[0]), median(took[1]))
	}
	// Which slots are missed is a matter of what else the machine does, not of the data: given their sum, each side has half of them (3.89 sd, 1e-4).
	if d := math.Abs(float64(missed[0] - missed[1])); d > 3.89*math.Sqrt(float64(missed[0]+missed[1])) {
		t.Errorf("%d slots were missed where the target is, %d where not", missed[0], missed[1])
	}
	// A question that missed its slot leaves two rungs later: that would be seen, by ranks also where a busy machine makes means useless.
	late := slices.Clone(took[0])
	for i := range late {
		late[i] += 300
	}
	if q := ksTail(late, took[1]); q > 1e-4 {
		t.Errorf("control: missed slots are not seen in %d runs (p = %.2g)", n, q)
	}
	report(t, "22", "Kolmogorov-Smirnov p = %.3f, Welch t = %.2f over %d and %d runs, medians %.2f and %.2f ms; slots missed %d and %d", p, welch, len(took[0]), len(took[1]), median(took[0]), median(took[1]), missed[0], missed[1])
}

// samplerTiming (23): does the time of an answer tell how large the noise in it is? Asked where slots are switched off, so that what they hide shows: ten counts
// of known persons a question, the sum of the noise's magnitudes in them against the time at the client. The order of questions is random to both, so
// that under independence Spearman's rank correlation times sqrt(n-1) is standard normal; beyond 3.89 is a failure (false alarm 1e-4). The control adds
// to the times what a sampler would that waits as long as its draws are large.
func samplerTiming(t *testing.T, x *arena) {
	a := x.agree(t, rich, "cleft")
	n, first := pick(300, 16_000), 100
	var noise, took []float64
	for i := range n + first {
		sql := "SELECT code, COUNT(*) AS n FROM crypt WHERE " + x.fresh() + " GROUP BY code"
		began := time.Now()
		r := x.ask(t, a, "cleft", "20", sql)
		if i < first {
			continue
		}
		took = append(took, float64(time.Since(began))/1e3)
		sum := 0.0
		for code, y := range column(r, "n") {
			sum += math.Abs(y - float64(2*places+digit(code == 3)*places))
		}
		noise = append(noise, sum)
	}
	if slices.Min(noise) == slices.Max(noise) || math.IsNaN(noise[0]) {
		t.Fatalf("the noise is always %v", noise[0])
	}
	r := spearman(noise, took)
	z := r * math.Sqrt(float64(n-1))
	if math.Abs(z) > 3.89 {
		t.Errorf("times tell the noise: rank correlation %.4f over %d answers, z = %.1f", r, n, z)
	}
	sorted := slices.Sorted(slices.Values(took))
	spread := sorted[3*n/4] - sorted[n/4]
	level, slow := median(noise), slices.Clone(took)
	for i := range slow {
		slow[i] += spread * noise[i] / level
	}
	if c := spearman(noise, slow) * math.Sqrt(float64(n-1)); c < 3.89 {
		t.Errorf("control: a sampler as slow as its noise is large is not seen (z = %.1f)", c)
	}
	half := 1.96 / math.Sqrt(float64(n-1))
	report(t, "23", "slots off: rank correlation %.4f, 95 %% interval %.4f to %.4f, of %d draws in %d answers; median %.2f ms, between quartiles %.0f µs",
		r, r-half, r+half, 10*n, n, sorted[n/2]/1e3, spread)
}

// spearman is the rank correlation; equal values have their mean rank.
func spearman(x, y []float64) float64 {
	a, b := ranks(x), ranks(y)
	mean := float64(len(x)-1) / 2
	var ab, aa, bb float64
	for i := range a {
		ab, aa, bb = ab+(a[i]-mean)*(b[i]-mean), aa+(a[i]-mean)*(a[i]-mean), bb+(b[i]-mean)*(b[i]-mean)
	}
	return ab / math.Sqrt(aa*bb)
}

func ranks(x []float64) []float64 {
	order := make([]int, len(x))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return cmp.Compare(x[i], x[j]) })
	out := make([]float64, len(x))
	for from := 0; from < len(order); {
		to := from
		for to < len(order) && x[order[to]] == x[order[from]] {
			to++
		}
		for _, i := range order[from:to] {
			out[i] = float64(from+to-1) / 2
		}
		from = to
	}
	return out
}

// welchT is the statistic of Welch's test.
func welchT(a, b []float64) float64 {
	moments := func(x []float64) (mean, variance float64) {
		for _, v := range x {
			mean += v / float64(len(x))
		}
		for _, v := range x {
			variance += (v - mean) * (v - mean) / float64(len(x)-1)
		}
		return mean, variance
	}
	ma, va := moments(a)
	mb, vb := moments(b)
	return (ma - mb) / math.Sqrt(va/float64(len(a))+vb/float64(len(b)))
}

// Statistics of samples with known answers.
func TestStatistics(t *testing.T) {
	for _, test := range []struct {
		name      string
		got, want float64
	}{
		{"Spearman, same order", spearman([]float64{1, 2, 3, 4}, []float64{10, 200, 3000, 40000}), 1},
		{"Spearman, reversed", spearman([]float64{1, 2, 3, 4}, []float64{4, 3, 2, 1}), -1},
		{"Spearman, ties", spearman([]float64{1, 2, 2, 3}, []float64{1, 2, 3, 4}), 0.9486832980505138}, // R: cor(c(1,2,2,3), 1:4, method = "spearman")
		{"Welch", welchT([]float64{1, 2, 3, 4}, []float64{2, 4, 6, 8, 10}), -2.2514362},                // R: t.test(1:4, c(2,4,6,8,10))
		{"median", median([]float64{5, 1, 3}), 3},
	} {
		if math.Abs(test.got-test.want) > 1e-6 {
			t.Errorf("%s: %s, want %s", test.name, fmt.Sprint(test.got), fmt.Sprint(test.want))
		}
	}
}

func median(xs []float64) float64 {
	ys := slices.Sorted(slices.Values(xs))
	return ys[len(ys)/2]
}

// ksTail is the two-sample Kolmogorov-Smirnov p-value (asymptotic).
func ksTail(a, b []float64) float64 {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	d, i, j := 0.0, 0, 0
	for i < len(a) && j < len(b) {
		if a[i] <= b[j] {
			i++
		} else {
			j++
		}
		d = max(d, math.Abs(float64(i)/float64(len(a))-float64(j)/float64(len(b))))
	}
	m := math.Sqrt(float64(len(a)*len(b)) / float64(len(a)+len(b)))
	lambda, p := (m+0.12+0.11/m)*d, 0.0
	for k := 1; k <= 100; k++ {
		p += 2 * math.Pow(-1, float64(k-1)) * math.Exp(-2*lambda*lambda*float64(k*k))
	}
	return min(max(p, 0), 1)
}
