package noise

import "math/bits"

// below is uniform in [0, n), n >= 1: multiply and reject (Lemire 2019), unbiased.
func (s *Sampler) below(n uint64) (uint64, error) {
	for {
		x, err := s.word()
		if err != nil {
			return 0, err
		}
		hi, lo := bits.Mul64(x, n)
		if lo >= n || lo >= -n%n {
			return hi, nil
		}
	}
}

// bern is true with probability p/q, p <= q.
func (s *Sampler) bern(p, q uint64) (bool, error) {
	x, err := s.below(q)
	return x < p, err
}

// bernExpUnit is true with probability exp(-p/q), p <= q: CKS Algorithm 1 for gamma in [0, 1].
func (s *Sampler) bernExpUnit(p, q uint64) (bool, error) {
	for k := uint64(1); ; k++ {
		hi, qk := bits.Mul64(q, k)
		var more bool
		var err error
		if hi == 0 {
			more, err = s.bern(p, qk)
		} else if more, err = s.bern(p, q); more && err == nil {
			more, err = s.bern(1, k)
		}
		if err != nil {
			return false, err
		}
		if !more {
			return k&1 == 1, nil
		}
	}
}

// bernExpOne is true with probability 1/e: bernExpUnit(1, 1) without its first, certain, trial.
func (s *Sampler) bernExpOne() (bool, error) {
	for k := uint64(2); ; k++ {
		more, err := s.bern(1, k)
		if err != nil {
			return false, err
		}
		if !more {
			return k&1 == 1, nil
		}
	}
}

// bernExpWhole is true with probability exp(-n). It ends at the first failure, so a large n costs nothing.
func (s *Sampler) bernExpWhole(n uint64) (bool, error) {
	for ; n > 0; n-- {
		if ok, err := s.bernExpOne(); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}
