package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"unicode"

	"jali/audit"
	"jali/audit/export"
	"jali/audit/store"
	"jali/sdk"
)

// Exit statuses. Scripts depend on them.
const (
	statusOK          = 0
	statusLocal       = 1
	statusUsage       = 2
	statusDenied      = 3
	statusUnavailable = 5
	statusFailed      = 6
)

// usageError is a mistake on the command line.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

// hintedError carries advice.
type hintedError struct {
	error
	hint string
}

func (e hintedError) Unwrap() error { return e.error }

func usagef(hint, format string, args ...any) error {
	return usageError{hintedError{fmt.Errorf(format, args...), hint}}
}

// failedError is a finding: something was read, and it does not verify.
type failedError struct{ err error }

func (e failedError) Error() string { return e.err.Error() }
func (e failedError) Unwrap() error { return e.err }

// findings are the errors that mean "does not verify".
var findings = []error{
	store.ErrDamaged, export.ErrInvalid, export.ErrLink, audit.ErrReceipt, audit.ErrCheckpoint, audit.ErrProof, audit.ErrHistory,
	audit.ErrDetailMismatch, audit.ErrDetail, audit.ErrGrammar,
}

func isFinding(err error) bool {
	var failed failedError
	var at *audit.EntryError
	if errors.As(err, &failed) || errors.As(err, &at) {
		return true
	}
	for _, f := range findings {
		if errors.Is(err, f) {
			return true
		}
	}
	return false
}

// statusOf is the exit status of an error: the one place that decides it.
func statusOf(err error) int {
	var usage usageError
	var child childError
	var refused *sdk.QueryError
	switch {
	case err == nil:
		return statusOK
	case errors.As(err, &child):
		if child == statusChildUsage {
			return statusUsage
		}
		return int(child)
	case errors.As(err, &usage), errors.As(err, &refused), errors.Is(err, store.ErrMissing), errors.Is(err, sdk.ErrConfig), errors.Is(err, audit.ErrKeys),
		errors.Is(err, export.ErrExists), errors.Is(err, export.ErrAudience):
		return statusUsage
	case errors.Is(err, sdk.ErrUnauthenticated), isDenied(err):
		return statusDenied
	case isFinding(err):
		return statusFailed
	case errors.Is(err, store.ErrLocked), errors.Is(err, sdk.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		return statusUnavailable
	}
	return statusLocal
}

func isDenied(err error) bool {
	var denied *sdk.PolicyDenied
	return errors.As(err, &denied)
}

// hintOf says what to do next.
func hintOf(err error) string {
	var hinted hintedError
	var usage usageError
	switch {
	case errors.As(err, &hinted):
		return hinted.hint
	case sdk.Hint(err) != "":
		return sdk.Hint(err)
	case errors.Is(err, audit.ErrHistory):
		return "keep your checkpoint file: together with this log's checkpoint it is evidence of a fork or a roll-back"
	case isFinding(err) && statusOf(err) == statusFailed:
		return "do not repair anything: copy the files, note the time, and tell the custodian and whoever witnesses this log"
	case errors.Is(err, store.ErrLocked):
		return "the gateway is serving: ask it with --profile or --endpoint, or stop it"
	case errors.Is(err, store.ErrUnsettled):
		return "the gateway was killed, and the end of its log is still in its journal: run as its user, or on a copy of the directory that you may write"
	case errors.Is(err, store.ErrMissing):
		return "name the gateway's state directory, the one with audit.db in it"
	case errors.Is(err, store.ErrKeyFile):
		return "run as the gateway's user; without its key files headers are checked but details stay closed (copy audit.db alone, with its journal files if the gateway was not stopped in order)"
	case errors.Is(err, audit.ErrKeys):
		return "name the vkeys file that the custodian published: one name+hash+key per line"
	case errors.Is(err, export.ErrExists):
		return "name one that does not exist yet"
	case errors.Is(err, fs.ErrPermission):
		return "run as a user who may read these files"
	case errors.As(err, &usage):
		return "jali-auditor --help, or jali-auditor COMMAND --help"
	}
	return ""
}

// report writes an error for people: the cause, then what to do.
func (a *app) report(err error) {
	var child childError
	if errors.As(err, &child) {
		return // it has said so itself
	}
	fmt.Fprintf(a.stderr, "error: %s\n", printable(err.Error()))
	if h := hintOf(err); h != "" {
		fmt.Fprintf(a.stderr, "hint: %s\n", printable(h))
	}
}

// printable keeps what came from elsewhere from commanding the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}
