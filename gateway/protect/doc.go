// Package protect is the one-way valve between exact results and what leaves: it adds noise, selects, hides, derives and arranges.
//
// Guaranteed, given a Spec made without data and an engine that kept the contribution bounds the Spec was priced for:
//
//   - Every released number is post-processing of integers that each carry their own exact discrete Gaussian draw
//     (jali/crypto/noise). One draw is made for every cell of the whole declared domain and every item, empty cells included, before
//     anything is hidden, ordered or cut. No draw is used twice.
//   - With public keys the set of groups is the declared domain. With private keys a group of fewer than K persons is never
//     released, any other passes a threshold on its noisy number of persons (Wilson et al. 2020, with the pre-threshold of the design,
//     disclosure-control.md section 7), and neither the number nor the order of the groups the engine found can be told from
//     a Released.
//   - HAVING, ORDER BY and LIMIT see released values only.
//   - The exact result sits in a Raw that no printer, logger or encoder can reach.
//   - No released value is NaN or infinite: what cannot be stated is absent.
//   - Half-widths at 95 %: the probability that a figure is shown and its interval misses the value the engine would have stated
//     without noise, values clipped as declared, is at most 0.05. For counts and sums by proof (noise.Variance.HalfWidth95), for
//     derived figures by test.
//
// Populations in mode sdc have a valve of their own, Suppress, which adds no noise: its comment says what it holds printed cells to.
// Nothing above is guaranteed of it but the seal of Raw, and nothing below it is a proof; docs/sdc.md says what breaks it.
//
// Not guaranteed:
//
//   - A strict minimum on the true size of a public group: Min compares noisy numbers.
//   - That clipping did no harm: half-widths speak of noise, not of values outside their declared bounds.
//   - Intervals that hold for all cells at once: each is for its cell.
package protect
