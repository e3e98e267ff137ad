// Package store keeps the audit log and the budget ledger of a gateway in one bbolt file, so that one transaction covers
// both: the states "charged but not recorded" and "recorded but not charged" do not exist.
//
// # What is guaranteed
//
// Append returns after the entry, its details, its charge and its index are durable: written to the journal beside audit.db in one
// frame, and synced. What the journal holds is brought into audit.db in order, each frame exactly once; readers, and the checkpoints
// that are signed, never show an entry before it is durable, and always one that is. One goroutine owns the tail and groups the
// callers that wait into one frame. An INTENT that would exceed its budget, or was decided under something no longer active, gets a
// REFUSED entry in its place, in the same frame, and never disturbs its neighbours. A storage error stops the process: after a
// failed sync nothing in memory can be trusted, so nobody is answered and nothing is retried.
//
// Open repairs what a crash can leave: what the journal holds is applied, all of a frame or nothing, and only of a last frame whose
// callers were never answered is nothing; then intents without outcome get INTERRUPTED; the charge stands. It refuses a log that
// does not verify, and a journal that is missing, of another log or another run, or broken anywhere but at its end.
// Details and stored results are encrypted at rest under keys of another file, keys.db, so that destroying a key erases them; that
// file must not go into ordinary backups.
//
// # What is not
//
// A lock is no protection against a copy of the files: two copies can both be opened and continued, and only a witness
// outside the host tells them apart. Whoever is root on the host can rebuild everything here and sign it again.
// A journal that is cut at its end cannot be told from one that a crash has torn: like a copy of an earlier moment, it is found
// by whoever remembers a checkpoint. A copy of audit.db made while a process has it open, or after one was killed, is the log only
// together with its journal. None of these files may live on NFS, or on ext4 with fast_commit (bbolt issue 562).
package store
