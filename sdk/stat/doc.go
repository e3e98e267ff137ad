// Package stat turns one noisy table of counts into statistics with intervals that know about the noise.
//
// A gateway releases a [Table]: integer cells, each person in one cell, each cell with independent noise of a known standard
// deviation Sigma. Everything here is post-processing of such a table: it reads no data, spends nothing, and gives the same
// figures for the same table and seed in the gateway, in the SDK and in the hands of an auditor (their last digits may differ between
// processors that fuse multiplication and addition and those that do not).
//
// Every [Estimate] carries three 95 % intervals, because they answer three questions:
//
//   - Lo, Hi: where is the parameter of the population that the persons are a sample of? Sampling and noise. This is the
//     one to print in a paper: with Sigma = 0 it is the interval a statistics package gives.
//   - NoiseLo, NoiseHi: where is the figure that the exact table would have given? Noise only.
//   - NaiveLo, NaiveHi: what one would get by pretending the noisy table were exact. It covers too rarely; it is here to be
//     compared, not used.
//
// A table groups numbers (times, ages, amounts) into bins. Where the ungrouped data could give another figure than the exact
// table, Bias bounds the difference ([Estimate.Reference]). Estimators whose difference has no bound say so.
//
// What is guaranteed: no result is NaN, whatever finite table comes in; what noise has drowned is Hidden, with a Warning that
// says why; cells are used raw, negative ones too, since clamping before arithmetic biases every sum. What is not: intervals are
// asymptotic (docs/statistics.md has the coverage measured for each), 5 in 100 of them miss, and there is no correction for
// looking at many. There is no Cox partial likelihood: it needs each person's risk set; [HazardRatio] is its Poisson equivalent.
package stat
