// Package cohort answers a question it cannot read. A researcher sends an encrypted 0/1 selector over a published list of
// rows or categories; the gateway returns the noisy sum of a private measure over the selected entries, encrypted under the
// researcher's own key. Protocol ecq1, described in docs/encrypted-queries.md.
//
// The client half is GenerateKey, RestoreKey, SecretKey.Encrypt and SecretKey.Decrypt. The gateway half is
// ParseRegistration, PrepareTable, Nonces, Intake and Evaluate. The auditor's half is AuditorKey.OpenKey and
// OpenedKey.OpenUpload.
//
// Guaranteed, as far as the basis named goes:
//
//   - The gateway learns nothing about the selector: RLWE with circular security (s^2 encrypted under s). The gateway holds no
//     key and sees no decryption.
//   - A selector that is not binary, or that breaks a declared Rule, yields a value uniform mod t and independent of the
//     data, for ciphertexts of the form "b + t*e, e bounded" and a right relinearisation key: proof (Schwartz-Zippel over
//     the prime t, statistical flooding). For arbitrary ring elements it is an argument with experiments: a malicious
//     client can be caught by opening (see Auditor), not excluded.
//   - The researcher learns one number per Aggregate: one LWE sample, flooded to a statistical distance of about 2^-43 or better.
//   - An honest answer is exact: sum + noise, with a failure margin above 80 sigma.
//   - No byte of a peer reaches a parser that is not ours: every body has a fixed length, is checked residue by residue, and
//     carries no metadata. Memory taken by an upload follows the bytes received, never a length the peer declares.
//   - Masks, flooding and errors come from AES-256-CTR keyed by the operating system's random source, fresh per aggregate; samplers
//     and decryption have no branch or table index that depends on a secret.
//
// Not guaranteed:
//
//   - Differential privacy by itself: the noise is an argument (Aggregate.Noise), drawn by crypto/noise and accounted for by
//     the caller, who charges before Evaluate is called and never refunds.
//   - Correct evaluation: a malicious gateway can answer with any number.
//   - Secrecy of the number of slots, the table, the rules, their declared sizes, the time, and who asks.
//   - A minimum cohort that depends on the data (sum of counts over the selected categories): differential privacy is the answer.
//   - Erasure against whoever reads this process's memory: buffers are zeroed after use, but the Go runtime may have copied
//     stacks, and the ring library's number theoretic transform reduces with compares that a compiler may turn into branches.
//
// Sources: Brakerski, Gentry, Vaikuntanathan, ITCS 2012 (the scheme, in its least-significant-bit form); Aiello, Ishai,
// Reingold, EUROCRYPT 2001, and Laur, Lipmaa, 2007 (conditional disclosure, on which the check rests); Ducas, Stehle,
// EUROCRYPT 2016 (flooding and circuit privacy); Aumann, Lindell, TCC 2007 (covert security, for openings); RFC 9180 (HPKE).
//
// The package is the only importer of lattigo, and uses its ring package alone, for number theoretic transforms and modular products.
package cohort
