package main

import "os/exec"

// cohortSuites are the goals of encrypted questions (docs/encrypted-queries.md). A million subjects, set A unless the name says otherwise;
// processor time, best of several rounds that take turns with their baselines.
func cohortSuites() []suite {
	const (
		floor     = "its transforms and products alone, by the library's fastest primitives, same run"
		full      = "the same with expansion of c1 and mask randomness, same run"
		unchecked = "lattigo MulThenAdd over as many ciphertexts: no check, no flooding; same run"
		stock     = "lattigo encrypt, MulThenAdd and inner sum with Galois keys: no check, no flooding; 100,000 subjects, same run"
	)
	evaluate := func(set, goal, uncheckedGoal string) []column {
		bench := "BenchmarkEvaluate/ecq1-" + set
		return []column{
			{"cohort/evaluate/" + set, bench, "cpu-ms", 1, "ms CPU", floor, "vs-ntt+products", goal},
			{"cohort/evaluate/" + set + "/floor", bench, "cpu-ms", 1, "ms CPU", full, "vs-floor", ""},
			{"cohort/evaluate/" + set + "/unchecked", bench, "cpu-ms", 1, "ms CPU", unchecked, "vs-unchecked", uncheckedGoal},
		}
	}
	client := func(set, up, down string) []column {
		bench := "BenchmarkClient/ecq1-" + set
		return []column{
			{"cohort/up/" + set, bench, "up-bytes/subject", 1, "B/subject", "", "", up},
			{"cohort/down/" + set, bench, "down-kB", 1, "kB", "", "", down},
			{"cohort/encrypt/" + set, bench, "encrypt-ms/block", 1, "ms CPU/block", "its transforms alone, same run", "encrypt-vs-ntt", ""},
			{"cohort/decrypt/" + set, bench, "decrypt-ms", 1, "ms CPU", "", "", ""},
			{"cohort/key/" + set, bench, "key-ms", 1, "ms CPU", "", "", ""},
		}
	}
	suites := []suite{
		goSuite("./crypto/cohort", "^BenchmarkEvaluate$", "5x", concat(
			evaluate("a", "<= 1.6", "<= 4"), evaluate("aplus", "", ""), evaluate("b", "", ""),
		)),
		goSuite("./crypto/cohort", "^BenchmarkStock$", "5x", []column{
			{"cohort/route/100k", "BenchmarkStock", "cpu-ms", 1, "ms CPU", stock, "vs-stock", "<= 1"},
		}),
		goSuite("./crypto/cohort", "^BenchmarkWorkers$", "5x", []column{
			{"cohort/speed-up/2", "BenchmarkWorkers", "two-wall-ms", 1, "ms wall", "one goroutine, same run; needs two idle processors", "speed-up", ">= 1.8"},
		}),
		goSuite("./crypto/cohort", "^BenchmarkSmall$", "10x", []column{
			{"cohort/small/a", "BenchmarkSmall/ecq1-a", "cpu-ms", 1, "ms CPU", "8,192 categories", "", "<= 5"},
			{"cohort/small/aplus", "BenchmarkSmall/ecq1-aplus", "cpu-ms", 1, "ms CPU", "8,192 categories", "", "<= 5"},
			{"cohort/small/b", "BenchmarkSmall/ecq1-b", "cpu-ms", 1, "ms CPU", "8,192 categories", "", ""},
		}),
		goSuite("./crypto/cohort", "^BenchmarkClient$", "5x", concat(
			client("a", "<= 25.6", "<= 105"), client("aplus", "", ""), client("b", "", ""),
		)),
	}
	if _, err := exec.LookPath("node"); err == nil { // without Node there is no browser side to measure
		suites = append(suites, goSuite("./crypto/cohort/wasm", "^BenchmarkEncrypt$", "5x", []column{
			{"cohort/encrypt/wasm", "BenchmarkEncrypt", "wasm-ms/block", 1, "ms/block", "native on one goroutine, same run", "wasm/native", ""},
		}))
	}
	return suites
}
