package store

import "errors"

// Errors of a store. Those of Open carry the exit status of audit-log.md section 7; see ExitCode.
var (
	// ErrMissing: there is no store; only Create makes one.
	ErrMissing = errors.New("audit store does not exist")
	// ErrExists: Create found a store.
	ErrExists = errors.New("audit store exists already")
	// ErrLocked: another process has the store open.
	ErrLocked = errors.New("audit store is in use by another process")
	// ErrDamaged: the log does not verify. It must be examined, not restarted.
	ErrDamaged = errors.New("audit store is damaged")
	// ErrKeyFile: a key file is missing, malformed, of another log, or readable by others.
	ErrKeyFile = errors.New("key file not usable")
	// ErrStopped: the store was closed or has stopped after a storage error.
	ErrStopped = errors.New("audit store has stopped")
	// ErrItem: the item cannot become an entry.
	ErrItem = errors.New("malformed audit item")
	// ErrNotOpen: the INTENT that an outcome names has one already, or is no INTENT; or a REPLAY names nothing released.
	ErrNotOpen = errors.New("no open intent")
	// ErrNoEntry: the log has no such entry.
	ErrNoEntry = errors.New("no such entry")
	// ErrWithheld: the key of a detail or result is gone.
	ErrWithheld = errors.New("withheld: its key is gone")
)

// Exit statuses. A supervisor must not restart after ExitDamaged.
const (
	ExitStorage = 70 // a commit failed
	ExitLocked  = 71
	ExitDamaged = 72
)

// ExitCode maps an error of Open to the process's exit status.
func ExitCode(err error) int {
	switch {
	case errors.Is(err, ErrLocked):
		return ExitLocked
	case errors.Is(err, ErrDamaged):
		return ExitDamaged
	}
	return ExitStorage
}

// DuplicateError says that an INTENT with the same index (request id or canonical query) stands already, open or released.
// Nothing was written and nothing charged.
type DuplicateError struct{ Seq uint64 }

func (e *DuplicateError) Error() string { return "the same request stands already" }
