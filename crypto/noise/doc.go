// Package noise draws exact discrete Gaussian noise on the integers and accounts for it in rho-zCDP.
//
// Guaranteed:
//
//   - A draw with variance parameter sigma^2 = Num/Den has probability proportional to exp(-y^2/(2 sigma^2)) at every
//     integer y, exactly. Sampling uses integer arithmetic only: Algorithms 1-3 of Canonne, Kamath, Steinke, "The Discrete
//     Gaussian for Differential Privacy", 2020 (CKS).
//   - Adding one draw to each coordinate of an integer vector of squared L2 sensitivity S2 is S2/(2 sigma^2)-zCDP
//     (CKS, Theorem 4 and Corollary 16).
//   - Random bytes come from the operating system, in a batch that belongs to one Sampler, are wiped as they are used and
//     are discarded by Close. A read that fails, and a draw that no working source could produce, is ErrSource.
//   - Tau, Tail and HalfWidth95 depend on integers only and give the same result on every machine.
//
// Not guaranteed:
//
//   - Constant time. The algorithms reject, so the time of a draw varies, and grows with its magnitude. Whoever answers over a
//     network hides it behind a response slot.
//   - Protection against whoever can read this process's memory, or who replays a memory image taken while a Sampler is open.
//   - A process that survives a kernel without randomness: since Go 1.24 the standard library itself ends the process when
//     the system call fails. Errors returned by the Reader are returned.
//   - Correctness of the sensitivity: that is the caller's.
//
// Epsilon and Delta use floating point and serve display and tests. No ledger decision may depend on them.
package noise
