package stat

import "math"

// matrix is square and small: one row per parameter.
type matrix [][]float64

func square0(n int) matrix {
	m := make(matrix, n)
	cells := make([]float64, n*n)
	for i := range m {
		m[i] = cells[i*n : (i+1)*n]
	}
	return m
}

// addOuter adds w x x'.
func (m matrix) addOuter(w float64, x []float64) {
	if w == 0 {
		return
	}
	for i, a := range x {
		if a == 0 {
			continue
		}
		row := m[i]
		for j, b := range x {
			row[j] += w * a * b
		}
	}
}

// factor is the Cholesky factor of a symmetric matrix scaled to a unit diagonal; ok is false unless m is positive
// definite with a margin: no pivot below 1e-10 of its diagonal.
func (m matrix) factor() (l matrix, scale []float64, ok bool) {
	n := len(m)
	l, scale = square0(n), make([]float64, n)
	for i := range m {
		if !(m[i][i] > 0) || math.IsInf(m[i][i], 1) {
			return nil, nil, false
		}
		scale[i] = 1 / math.Sqrt(m[i][i])
	}
	for i := range n {
		for j := 0; j <= i; j++ {
			s := m[i][j] * scale[i] * scale[j]
			for k := range j {
				s -= l[i][k] * l[j][k]
			}
			if i == j {
				if !(s > 1e-10) {
					return nil, nil, false
				}
				l[i][i] = math.Sqrt(s)
			} else {
				l[i][j] = s / l[j][j]
			}
		}
	}
	return l, scale, true
}

// inverse of a symmetric positive definite matrix.
func (m matrix) inverse() (matrix, bool) {
	l, scale, ok := m.factor()
	if !ok {
		return nil, false
	}
	n := len(m)
	out := square0(n)
	x := make([]float64, n)
	for c := range n {
		clear(x)
		x[c] = scale[c]
		for i := range n {
			for k := range i {
				x[i] -= l[i][k] * x[k]
			}
			x[i] /= l[i][i]
		}
		for i := n - 1; i >= 0; i-- {
			for k := i + 1; k < n; k++ {
				x[i] -= l[k][i] * x[k]
			}
			x[i] /= l[i][i]
		}
		for i := range n {
			out[i][c] = x[i] * scale[i]
		}
	}
	return out, true
}

func (m matrix) times(x []float64) []float64 {
	y := make([]float64, len(m))
	for i, row := range m {
		y[i] = dot(row, x)
	}
	return y
}

// sandwich is a m a for symmetric a.
func (m matrix) sandwich(a matrix) matrix {
	n := len(m)
	out := square0(n)
	for i := range n {
		left := make([]float64, n)
		for k := range n {
			for j := range n {
				left[j] += a[i][k] * m[k][j]
			}
		}
		for j := range n {
			out[i][j] = dot(left, a[j])
		}
	}
	return out
}

func (m matrix) plus(o matrix) matrix {
	out := square0(len(m))
	for i := range m {
		for j := range m[i] {
			out[i][j] = m[i][j] + o[i][j]
		}
	}
	return out
}

func dot(x, y []float64) float64 {
	s := 0.0
	for i, a := range x {
		s += a * y[i]
	}
	return s
}

// quadratic is x' m^-1 x.
func (m matrix) quadratic(x []float64) (float64, bool) {
	inv, ok := m.inverse()
	if !ok {
		return 0, false
	}
	return dot(x, inv.times(x)), true
}
