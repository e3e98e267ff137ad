// Package audit holds the formats of Jali's audit log and everything needed to check one: header lines, salted details,
// the hash chain, RFC 6962 Merkle proofs, signed checkpoints and receipts. It does no I/O and compiles to WebAssembly, so
// that a regulator's or a citizen's verifier is this package and nothing else of ours.
//
// # What is guaranteed
//
// Every entry is one header line of printable ASCII. Only those bytes are hashed: L_i = SHA-256(0x00 || E_i), the leaf hash
// of RFC 6962. Every entry carries prev = L_{i-1}, so the linear chain and the Merkle tree are built from the same hashes
// and cannot disagree. Chain checks a log from its headers alone: order, time, grammar, the fields each kind must carry,
// one outcome per intent, what was active when a decision was made, and every spend to the last nano-rho.
// VerifyReceipt checks one answer offline, from a file and the log's public keys.
//
// # What is not
//
// A log cannot prove that no access happened outside it, nor that a statement in it was true when it was made, only that
// it was made then and has not changed since. A history that its own operator rebuilt and signed again passes every check
// here; it is found by whoever remembers an earlier size and root (a witness, a receipt, a mirror).
//
// # Sources
//
// RFC 6962 section 2.1 (Merkle tree), RFC 8785 (within the header grammar JCS(x) = x), RFC 9901 section 4.2 (disclosures),
// C2SP signed-note, tlog-checkpoint, tlog-cosignature, tlog-proof and tlog-tiles. The format is jali-audit/1; the vector in
// testdata/vector.json freezes it.
package audit
