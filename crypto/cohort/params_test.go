package cohort

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"go/parser"
	"go/token"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParamsByID(t *testing.T) {
	for _, id := range IDs() {
		p, err := ParamsByID(id)
		must(t, err)
		if p.ID() != id {
			t.Errorf("set %s calls itself %s", id, p.ID())
		}
	}
	if _, err := ParamsByID("ecq1-c"); !errors.Is(err, ErrParams) || !strings.Contains(err.Error(), "ecq1-b") {
		t.Errorf("unknown set: %v, want %v with the names of the sets", err, ErrParams)
	}
}

// TestSetsAreWhatTheySay derives every modulus again: the largest primes of the width that are 1 mod 2N, and t below 2^34,
// 2^36, 2^45.
func TestSetsAreWhatTheySay(t *testing.T) {
	tbits := map[string]uint{"ecq1-a": 34, "ecq1-aplus": 36, "ecq1-b": 45}
	psi := map[string]uint64{"ecq1-a": 1645362752154447, "ecq1-aplus": 29627414612460, "ecq1-b": 974161070679573}
	sizes := map[string][4]int{ // element, registration, reply, head-room of Q in bits
		"ecq1-a":     {208_896, 1_044_480, 104_461, 204},
		"ecq1-aplus": {217_088, 1_085_440, 108_558, 212},
		"ecq1-b":     {512_000, 3_072_000, 204_813, 250},
	}
	for _, p := range sets {
		step := uint64(2 * p.n())
		prime := func(below uint64) uint64 {
			v := (below-1)/step*step + 1
			if v >= below {
				v -= step
			}
			for !new(big.Int).SetUint64(v).ProbablyPrime(20) {
				v -= step
			}
			return v
		}
		below := uint64(1) << p.width
		for i, q := range p.q {
			if want := prime(below); q != want {
				t.Errorf("%s: q_%d is %d, want %d", p.id, i, q, want)
			}
			below = q
		}
		if want := prime(1 << tbits[p.id]); p.t != want {
			t.Errorf("%s: t is %d, want %d", p.id, p.t, want)
		}
		// Index 1 of the roots in bit-reversed order is psi^(N/2), index N/2 is psi.
		l := &p.arith().limb[0]
		if got := l.mul(l.RootsForward[p.n()/2], l.invR64); got != psi[p.id] {
			t.Errorf("%s: psi is %d, want %d: the transform differs", p.id, got, psi[p.id])
		}
		if got := [4]int{p.elementBytes(), p.RegistrationBytes(), p.ReplyBytes(), product(p.q).BitLen()}; got != sizes[p.id] {
			t.Errorf("%s: sizes %v, want %v", p.id, got, sizes[p.id])
		}
	}
}

func TestValidRefuses(t *testing.T) {
	good := *toy("ecq1-a", 6)
	must(t, good.valid())
	for name, change := range map[string]func(*Params){
		"two limbs":      func(p *Params) { p.q = p.q[:2] },
		"small ring":     func(p *Params) { p.logN = 3 },
		"wide":           func(p *Params) { p.width = 58 },
		"wrong width":    func(p *Params) { p.width = 52 },
		"ascending":      func(p *Params) { p.q = []uint64{p.q[1], p.q[0], p.q[2], p.q[3]} },
		"t of 24 bits":   func(p *Params) { p.t = 1<<24 - 1 },
		"t of 49 bits":   func(p *Params) { p.t = 1<<49 - 1 },
		"t too near q_i": func(p *Params) { p.t = 1<<48 - 1 },
	} {
		p := toy("ecq1-a", 6)
		change(p)
		if p.valid() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestAccumulatorBounds holds the comment of accumulator to account for the widest set and the largest table.
func TestAccumulatorBounds(t *testing.T) {
	for _, p := range sets {
		q, n := float64(p.q[0]), float64(p.n())
		blocks := float64(maxSlots) / n
		if sum := 2 * q * 10 * q * n; sum >= 0x1p128 {
			t.Errorf("%s: a block's sum of D0 may reach %g", p.id, sum)
		}
		if sum := 12 * q * q * blocks; sum >= 0x1p128 {
			t.Errorf("%s: a coefficient of D1 may reach %g", p.id, sum)
		}
		if sum := float64(p.limbs()+1) * 8 * q * q; sum >= q*0x1p64 {
			t.Errorf("%s: a relinearised coefficient may reach %g", p.id, sum)
		}
	}
}

// TestXOFVectors are those of the specification, section 5.
func TestXOFVectors(t *testing.T) {
	want := map[string]string{
		"ecq1-a":     "b6360889284d21d8fee0c131ec80907ff9f45e16e2806926c7cad314f3a39cf6",
		"ecq1-aplus": "c384ecc7036ffc35251d4bd905996056d5323f624f14921cfdfb13ef6225d2ea",
		"ecq1-b":     "a9b59de4748670b939bc8545e9bf29043f854c96d750a78d9913bedbe0a6c370",
	}
	seed := make([]byte, 32)
	for i := range seed {
		seed[i] = byte(i)
	}
	for _, p := range sets {
		st := newStream(labelQuery, seed, 1)
		var packed []byte
		x := make([]uint64, p.n())
		for i := range p.arith().limb {
			l := &p.arith().limb[i]
			st.uniform(x, l.q, l.mask)
			packed = pack(packed, x, p.width)
		}
		sum := sha256.Sum256(packed)
		if got := hex.EncodeToString(sum[:]); got != want[p.id] {
			t.Errorf("%s: %s, want %s", p.id, got, want[p.id])
		}
	}
}

// TestSecurityRecord: a parameter set without a record of its security, or changed since, cannot be released.
func TestSecurityRecord(t *testing.T) {
	record, err := os.ReadFile("../../docs/design/lattice-security.md")
	must(t, err)
	for _, p := range sets {
		d := p.Digest()
		if !strings.Contains(string(record), "`"+p.id+"`") || !strings.Contains(string(record), hex.EncodeToString(d[:])) {
			t.Errorf("%s: the record lacks digest %x", p.id, d)
		}
	}
}

// TestRingOnly: of lattigo only ring is used outside tests. Its schemes take scales, levels and lengths from the wire.
func TestRingOnly(t *testing.T) {
	files, err := filepath.Glob("*.go")
	must(t, err)
	found := false
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		must(t, err)
		for _, i := range f.Imports {
			p := strings.Trim(i.Path.Value, `"`)
			if !strings.Contains(p, "lattigo") {
				continue
			}
			found = true
			if p != "github.com/tuneinsight/lattigo/v5/ring" {
				t.Errorf("%s imports %s: only ring is safe on hostile input", name, p)
			}
		}
	}
	if !found {
		t.Error("no import of ring was found: the test looks in the wrong place")
	}
}
