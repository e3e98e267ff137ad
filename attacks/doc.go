// Package attacks is what an attacker would try, run against the programs as they ship.
//
// The tests start jali-gateway on a made-up population with planted targets (population_test.go) and ask it over mutual TLS, as a
// researcher would. While they attack they use the SDK and nothing else; a verdict may use the truth, which the generator knows, and the
// record, which the harness reads as a regulator and checks from its first entry when the test ends. Each attack has the number of the
// attack suite, one family is one file, and each prints a line "attack N: figure" that the runner (tools/attacks) collects; [Table] lists
// all, with the named tests of other packages that carry an attack where it is about a part rather than the path.
//
// What a verdict means. A privacy claim is a bound on probabilities of events, so it is tested as one ([Audit]): events are searched on one
// half of the draws and tested on the other, with exact Clopper-Pearson bounds, at every eps of the curve delta(eps) of the rho that the
// ledger debited. Both bounds of a comparison are at 1 - 1e-4, an audit makes at most 10 comparisons, so an honest mechanism fails an
// audit with probability below 2e-3 (10 x 2e-4); a failure counts only if it repeats with fresh draws, which makes 4e-6. Criteria on
// rates fail when the lower Clopper-Pearson bound at 1 - 1e-4 is beyond the limit: false alarm 1e-4 each.
//
// Each test contains its control: the same attack on what an unprotected or a weakened gateway would have said. The control must succeed,
// or the attack proves nothing. Weakened builds are the business of the mutation gate (tools/mutants).
//
// Not shown: that no other attack succeeds. The guarantee rests on the proof and on the review of sampler and accountant.
//
// Sources: Wilson et al. 2020 (stochastic tester); Ding et al., 1805.10277 (StatDP: search, then test); Bichsel et al. 2021 (DP-Sniper);
// Bun and Steinke, 1605.02065, and Canonne, Kamath and Steinke, 2004.00010, proposition 12 (the curve of zCDP).
package attacks
