package noise

import (
	"crypto/rand"
	"math"
	"math/big"
	"testing"

	oracle "github.com/google/differential-privacy/go/v3/noise"
)

// TestAgainstGoogleNoise compares draws with Google's Gaussian mechanism at the same sigma, an independent construction from
// binomials: two-sample chi-square over cells of half a sigma. Scores above 5 come with probability about 3e-7.
func TestAgainstGoogleNoise(t *testing.T) {
	const eps, delta, n = 0.25, 1e-6, 30_000
	sigma := oracle.SigmaForGaussian(1, 1, eps, delta)
	num, _ := new(big.Float).SetFloat64(sigma * sigma * (1 << 20)).Int(nil)
	g := prepared(t, Variance{num, big.NewInt(1 << 20)})
	s := sampler(t, rand.Reader)
	google := oracle.Gaussian()

	width := max(1, int64(sigma/2))
	ours, theirs := map[int64]float64{}, map[int64]float64{}
	for range n {
		y, err := s.DrawInt64(g)
		if err != nil {
			t.Fatal(err)
		}
		ours[floorDiv(y, width)]++
		x, err := google.AddNoiseInt64(0, 1, 1, eps, delta)
		if err != nil {
			t.Fatal(err)
		}
		theirs[floorDiv(x, width)]++
	}
	chi, cells := 0.0, 0.0
	for c := int64(-12); c <= 12; c++ {
		a, b := ours[c], theirs[c]
		if a+b < 40 {
			continue
		}
		chi += (a - b) * (a - b) / (a + b)
		cells++
	}
	z := (math.Cbrt(chi/cells) - (1 - 2/(9*cells))) / math.Sqrt(2/(9*cells))
	t.Logf("sigma %.2f: z = %+.2f over %v cells", sigma, z, cells)
	if cells < 8 || z > 5 {
		t.Errorf("draws differ from Google's at sigma %.2f: score %.2f over %v cells", sigma, z, cells)
	}
}

// TestEpsilonBoundsGoogleAnalysis: the noise our accountant says is (eps, delta)-DP is, by Google's exact analysis of one
// Gaussian (Balle & Wang 2018), and by not more than 15 % in sigma too much.
func TestEpsilonBoundsGoogleAnalysis(t *testing.T) {
	for _, rho := range []int64{100_000, 5_000_000, 50_000_000, 500_000_000} {
		for _, delta := range []float64{1e-6, 1e-9} {
			sigma := math.Sqrt(1 / (2 * float64(rho) * 1e-9))
			need := oracle.SigmaForGaussian(1, 1, Epsilon(rho, delta), delta)
			if need > sigma*(1+1e-3) || need < sigma*0.85 { // their search stops within 1e-3
				t.Errorf("rho %d delta %g: sigma %.4f, Google needs %.4f", rho, delta, sigma, need)
			}
		}
	}
}
