// Package witness lets somebody outside the gateway's host remember how far its log had come. A witness holds 40 bytes per
// log, a size and a root. It cosigns a checkpoint only if a consistency proof shows that nothing before the size it remembers
// was changed. Whoever rebuilds, cuts or restores the log, root on the gateway's host included, cannot make it forget.
//
// Server is the witness, Client what a gateway asks witnesses with.
//
// # What is guaranteed
//
// The comparison of "old" with what is recorded and the new record are one bbolt transaction, durable before the answer: of
// two requests that extend one tree differently at most one is cosigned, and a crash at any moment loses no cosignature that
// was given. There is one cosignature per key: Ed25519, for the networks that take no other, and ML-DSA-44.
//
// # What is not
//
// A witness does not know whether an entry is true, only that it was there before. One that loses its file has amnesia: it
// would cosign a rebuilt log. Clients notice if they are honest, hence the quorum of several witnesses. Checkpoints with
// extension lines are refused: an ML-DSA-44 cosignature would not cover them.
//
// # Sources
//
// C2SP tlog-witness v1.0.0, tlog-cosignature v1.1.0-rc.1, tlog-checkpoint, signed-note; RFC 6962 section 2.1.2.
package witness
