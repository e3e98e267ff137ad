package attacks

// Attack is a row of the attack suite.
type Attack struct {
	Number    string
	Name      string
	Criterion string
	// Tests carry it: "package TestName". TestAttacks is the path through the public API; others are about a part.
	Tests []string
}

// Path is the test whose subtests, each named by its attack's number, attack the running program.
const Path = "attacks TestAttacks"

// Table is the whole suite: numbers as in the design's table, A numbers of encrypted questions, L of the log.
var Table = []Attack{
	{"1", "differencing", "bits found <= (1 + advantage(rho))/2", []string{Path, "gateway TestNestedPairs"}},
	{"2", "averaging repeats", "1 distinct answer, 1 charge", []string{Path}},
	{"3", "averaging by rewrites", "stored answer; another agreement pays", []string{Path, "gateway/query TestSameQuestion", "gateway TestReplay"}},
	{"4", "averaging by partitions", "error of the mean >= 1/sqrt(2 rho)", []string{Path, "gateway TestCellQuota"}},
	{"5", "individual, general, double tracker", "bits found <= (1 + advantage(rho))/2", []string{Path, "gateway/protect TestAuditFindsLongTrackers"}},
	{"6", "Dinur-Nissim, least squares", "<= 60 % of bits at the whole budget", []string{Path, "gateway/protect TestReconstruction"}},
	{"7", "reconstruction by hash-like predicates", "refused", []string{Path, "gateway/query TestRefuse"}},
	{"8", "noise exploitation by dummy conditions", "the budget ends first", []string{Path}},
	{"9", "isolating conjuncts", "curve of zCDP", []string{Path, "gateway/protect TestSmallCountsAreHidden"}},
	{"10", "automated search", "accuracy <= 1/2 + bound + 2 sd", []string{"attacks TestSearch"}},
	{"11", "membership", "TPR at FPR 1 % <= e^eps 0.01 + delta", []string{Path}},
	{"12", "float low-order bits", "off the grid: 0", []string{Path, "crypto/noise TestSupport"}},
	{"13", "precision", "granularity constant", []string{Path}},
	{"14", "sum order, rounding", "bit-identical before noise", []string{"gateway/engine TestDifferential", "gateway/engine TestRuns"}},
	{"15", "empirical epsilon", "curve of zCDP; variance as paid; cells independent", []string{Path, "crypto/noise TestDrawsMatchExactProbabilities", "gateway/protect TestEveryCellHasItsOwnNoise", "gateway/protect TestCoverage", "gateway/budget TestItemisedPrice"}},
	{"16", "wrong caps of contribution", "curve of zCDP; disorder is no answer", []string{Path, "gateway/engine TestOrderIsChecked", "gateway/engine TestKeep"}},
	{"17", "sum outlier", "moves a sum by the clip bound", []string{Path}},
	{"18", "expression around the clamp", "refused or re-clamped", []string{Path, "gateway/query TestBounds"}},
	{"19", "group-key existence", "never; public keys always", []string{Path, "gateway/protect TestPrivateKeysPassTheThreshold", "crypto/noise TestTau", "crypto/noise TestTauIsTheSmallest", "gateway/protect TestPublicKeysShowTheWholeDomain"}},
	{"20", "empty cohort", "same shape, noise", []string{Path, "gateway/protect TestOneCellWithoutGroups"}},
	{"21", "error oracle", "equal replies and charges", []string{Path, "gateway/protect TestMalformedResultsAreRefusedAlike", "gateway/rpc TestNoAnswerIsConstant"}},
	{"22", "timing oracle", "Kolmogorov-Smirnov p > 0.01, Welch t < 4.5", []string{Path, "gateway TestSlotOracle"}},
	{"23", "sampler timing", "rank correlation with the noise is 0 (1e-4), slots off", []string{Path, "gateway TestSlotOracle"}},
	{"24", "response size", "one length for one shape, over every door", []string{Path, "gateway/protect TestLengthTellsTheShapeOnly", "gateway/rpc TestLengthOfAMessage", "gateway/rpc TestLengthOfADerivedTable", "gateway/pgwire TestLengthOfAnAnswer", "gateway/pgwire TestLengthOfADerivedTable"}},
	{"25", "budget race", "<= 11 answers, never overspent", []string{Path, "gateway TestBudgetRace", "audit/store TestBudgetRace", "sdk/sdktest TestParallelQuestionsStayWithinTheBudget"}},
	{"26", "budget crash", "ledger >= answers after kill -9", []string{"sdk/sdktest TestKillUnderLoad", "audit/store TestKillLoop", "audit/store TestOpenIntentsAreInterrupted", "audit/store TestCancelledCallerIsCharged"}},
	{"27", "price as oracle", "quotes equal", []string{Path}},
	{"28", "ledger arithmetic", "refused before pricing", []string{Path, "gateway/budget TestParseError", "gateway/budget TestPriceNeverUnderCharges", "gateway/budget TestPriceOutOfRange"}},
	{"29", "NaN, Inf, overflow in data", "refused at import; no NaN out", []string{"gateway/engine TestImportNamesBadRows", "gateway/protect TestNoFigureIsEverNotANumber"}},
	{"30", "collusion", "stops at the population's cap", []string{Path, "gateway TestPopulationLedger"}},
	{"31", "data-set alias", "same population ledger", []string{Path}},
	{"32", "Unicode", "refused", []string{"cmd/jali-gateway TestHostileTextsAreRefusedOnRecord", "gateway/query TestHostile"}},
	{"33", "injection, stacking, nesting", "refused on record; no crash", []string{"cmd/jali-gateway TestHostileTextsAreRefusedOnRecord", "gateway/query TestNesting", "gateway/query TestScanLimits", "gateway/query TestCheckStack"}},
	{"34", "subquery and window smuggling", "refused", []string{Path, "gateway/query TestRefusePersonLocal", "gateway/engine TestPersonLocal"}},
	{"35", "policy bypass by alias", "policy sees catalogue columns", []string{"gateway/query TestPolicySees", "gateway/query TestEveryTableIsSeen", "gateway/query TestPersonLocalColumns"}},
	{"36", "time of check, time of use", "stale, or no data read", []string{"audit/store TestStale", "gateway TestQuote", "gateway/budget TestQuoteServesItsOwnerUntilItExpires"}},
	{"37", "replay", "stored answer; quotes bound", []string{Path, "gateway TestRequestID", "gateway TestCohortNonces"}},
	{"38", "cache probing", "no hit across agreements", []string{Path}},
	{"39", "SDC small-cell inference", "interval >= k wide", []string{Path, "gateway TestMarginsLeaveRoom"}},
	{"40", "SDC rounding order", "derivable from rounded values", []string{Path, "gateway TestRoundingComesFirst", "gateway TestSumsAreNoCountsInDisguise"}},
	{"41", "SDC overlap", "0 pairs with 0 < diff < k", []string{Path, "gateway TestNestedPairs", "gateway TestMemoryLasts", "gateway/protect TestPairs"}},
	{"42", "refusal oracle", "one code, charged", []string{Path, "gateway TestRefusalOracle"}},
	{"43", "log leakage", "0 canaries found", []string{"cmd/jali-gateway TestCanariesAreFoundNowhere", "audit/store TestNothingReadableAtRest", "gateway/protect TestRawNeverPrints"}},
	{"44", "seed recovery", "no draw shared", []string{"crypto/noise TestSamplersShareNothing", "crypto/noise TestDrawsFollowTheirBytes", "crypto/noise TestCloseWipes"}},
	{"45", "encrypted path", "curve of zCDP; charged each time; malformed refused", []string{Path, "sdk/sdktest TestCohortHostile", "gateway TestCohortChargedFirst", "gateway TestCohortMalformed"}},
	{"46", "certificate ends while connected", "next call refused", []string{Path}},
	{"A2", "encrypted: weights on a person", "uniform; the twin succeeds", []string{"crypto/cohort TestA2WeightOnOnePerson", "crypto/cohort TestA2bSmallWeightsEverywhere"}},
	{"A3", "encrypted: wrong declared size", "uniform", []string{"crypto/cohort TestA3WrongDeclaredSize"}},
	{"A4", "encrypted: key that knows c1, ground nonce", "uniform, distinct", []string{"crypto/cohort TestA4KeyThatKnowsC1", "crypto/cohort TestA4cGrindNonce"}},
	{"A5", "encrypted: idempotent phases", "0 candidates found", []string{"crypto/cohort TestA5Idempotent", "crypto/cohort TestA5bSparseIdempotent"}},
	{"A6", "encrypted: noise 2^3 to 2^160", "exact or garbage", []string{"crypto/cohort TestA6Noise"}},
	{"A7", "encrypted: mixed query", "uniform", []string{"crypto/cohort TestA7MixedQuery"}},
	{"A8", "encrypted: sender-chosen scale", "no scale on the wire", []string{"crypto/cohort TestA8SenderChosenScale"}},
	{"A9", "encrypted: degree-2 answer", "size of the reply exact", []string{"crypto/cohort TestA9DegreeTwo"}},
	{"A10", "encrypted: repeated upload", "charged; a retry replays", []string{"crypto/cohort TestA10Repeat", "crypto/cohort TestA10Averages"}},
	{"A11", "encrypted: shared masks", "uniform", []string{"crypto/cohort TestA11SharedMasks"}},
	{"A12", "encrypted: re-issued nonce", "refused", []string{"crypto/cohort TestA12RepeatedNonce"}},
	{"A13", "encrypted: padding meets the size", "uniform", []string{"crypto/cohort TestA13PaddingMeetsDeclaredSize"}},
	{"L1", "log: any byte of any entry", "found, entry and field named", []string{"audit/store TestEveryByteOfEveryEntry", "cmd/jali-gateway TestAnyChangedByteIsFoundAndNamed"}},
	{"L2", "log: content edited and rebuilt", "found", []string{"audit/store TestTamperedContent", "audit/store TestRebuiltLog", "audit TestChainRefusesEdits"}},
	{"L3", "log: tail cut, rolled back, forked, by root", "found by the witness", []string{"cmd/jali-auditor TestRootAttacksAreCaughtByTheWitness", "audit/store TestTailCut"}},
	{"L4", "log: lying gateway", "found by the auditor", []string{"cmd/jali-auditor TestLyingGateway", "audit TestVerifyReceiptOfALyingLog"}},
	{"L5", "log: damaged file, truncated, sectors", "found, no panic", []string{"audit/store TestRandomSectors", "audit/store TestTruncatedFile", "audit/store TestRawBytesOfTheFile"}},
	{"L6", "log: EIO, ENOSPC, SIGKILL at system calls", "no answer of that batch; whole or absent", []string{"audit/store TestInjectedFaults"}},
	{"L7", "log: swapped keys, old checkpoints, copies", "refused", []string{"audit/store TestSwappedKeys", "audit/store TestOldCheckpointReplayed", "audit/store TestWriterOnACopy"}},
	{"L8", "log: clock set back", "on record", []string{"audit/store TestClockSetBackIsRecorded"}},
	{"L9", "log: erasure as a cover", "alarm", []string{"audit/store TestErasureAlarms", "audit/store TestKeysGoneWithoutErase"}},
}
