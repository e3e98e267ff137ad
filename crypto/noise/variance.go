package noise

import "math/big"

// Variance is sigma^2 as an exact positive rational Num/Den. The zero Variance is invalid: noise has no default.
type Variance struct{ Num, Den *big.Int }
