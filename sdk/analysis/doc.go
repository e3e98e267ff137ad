// Package analysis turns the released histogram behind a table function such as kaplan_meier(...) into the table that the asker
// reads.
//
// A question that calls a table function buys one noisy histogram in which each person (or row) falls into one cell. The histogram is
// the answer that is charged, recorded and covered by the receipt; what this package derives from it is post-processing, costs
// nothing, and is the same bytes wherever it runs: the gateway shows it to every client, the SDK computes it again from the
// histogram whose receipt has verified, and an auditor can repeat it. Bootstraps take their seed from the digest of the recorded
// result.
//
// Guaranteed: no figure is NaN or infinite; what cannot be told from noise is absent and says why. Not guaranteed: that the
// Spec a gateway sends fits the text that was asked. Its names and bins are in the recorded result and can be compared.
package analysis
