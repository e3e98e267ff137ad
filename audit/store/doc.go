// Package store keeps the audit log and the budget ledger of a gateway in one bbolt file, so that one transaction covers
// both: the states "charged but not recorded" and "recorded but not charged" do not exist.
//
// # What is guaranteed
//
// Append returns after the entry, its details, its charge and its index are durable (fsync), and after the log has signed
// the new root. One goroutine owns the tail and groups the callers that wait into one commit. An INTENT that would exceed
// its budget, or was decided under something no longer active, gets a REFUSED entry in its place, in the same transaction,
// and never disturbs its neighbours. A storage error stops the process: after a failed fsync nothing in memory can be
// trusted, so nobody is answered and nothing is retried.
//
// Open repairs what a crash can leave: intents without outcome get INTERRUPTED; the charge stands. It refuses a log that
// does not verify. Details and stored results are encrypted at rest under keys of another file, keys.db, so that destroying
// a key erases them; that file must not go into ordinary backups.
//
// # What is not
//
// A lock is no protection against a copy of the files: two copies can both be opened and continued, and only a witness
// outside the host tells them apart. Whoever is root on the host can rebuild everything here and sign it again.
// Neither file may live on NFS, or on ext4 with fast_commit (bbolt issue 562).
package store
