package main

import (
	"errors"
	"fmt"
	"strings"

	"jali/sdk"
)

// Exit statuses, documented in docs/cli.md. Scripts depend on them.
const (
	statusOK          = 0
	statusLocal       = 1 // something on this machine failed
	statusUsage       = 2
	statusDenied      = 3
	statusBudget      = 4
	statusUnavailable = 5
	statusReceipt     = 6
)

// usageError is a mistake on the command line.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

// hintedError carries advice of the command's own.
type hintedError struct {
	error
	hint string
}

func (e hintedError) Unwrap() error { return e.error }

func usagef(hint, format string, args ...any) error {
	return usageError{hintedError{fmt.Errorf(format, args...), hint}}
}

// statusOf is the exit status of an error: the one place that decides it.
func statusOf(err error) int {
	var (
		usage  usageError
		query  *sdk.QueryError
		policy *sdk.PolicyDenied
		budget *sdk.BudgetExhausted
	)
	switch {
	case err == nil:
		return statusOK
	case errors.Is(err, sdk.ErrReceipt):
		return statusReceipt
	case errors.As(err, &budget):
		return statusBudget
	case errors.As(err, &policy), errors.Is(err, sdk.ErrUnauthenticated):
		return statusDenied
	case errors.As(err, &usage), errors.As(err, &query), errors.Is(err, sdk.ErrConfig), errors.Is(err, sdk.ErrStale), errors.Is(err, sdk.ErrRejected):
		return statusUsage
	case errors.Is(err, sdk.ErrUnavailable), errors.Is(err, sdk.ErrNoAnswer):
		return statusUnavailable
	}
	return statusLocal
}

// report writes an error for people: the cause, the place in the SQL, every reason, what to do next.
func (a *app) report(err error) {
	var (
		query  *sdk.QueryError
		policy *sdk.PolicyDenied
		budget *sdk.BudgetExhausted
		hinted hintedError
		usage  usageError
	)
	var reasons []sdk.Reason
	switch {
	case errors.As(err, &policy):
		reasons = policy.Reasons
	case errors.As(err, &budget):
		reasons = budget.Reasons
	}
	message := err.Error()
	if len(reasons) == 1 && strings.HasSuffix(message, reasons[0].Text) {
		message, reasons = fmt.Sprintf("%s (%s)", message, reasons[0].Code), nil // the message is the reason
	}
	fmt.Fprintf(a.stderr, "%s %s\n", a.screen.err.bold("error:"), printable(message))
	if errors.As(err, &query) {
		if caret := query.Render(a.sql); caret != "" {
			for line := range strings.Lines(caret) {
				fmt.Fprintf(a.stderr, "  %s\n", printable(strings.TrimSuffix(line, "\n")))
			}
		}
	}
	said := map[string]bool{"": true}
	for _, r := range reasons {
		fmt.Fprintf(a.stderr, "  %s: %s\n", printable(r.Code), printable(r.Text))
		if !said[r.Hint] {
			fmt.Fprintf(a.stderr, "    %s %s\n", a.screen.err.bold("hint:"), printable(r.Hint))
		}
		said[r.Hint] = true
	}
	hint := sdk.Hint(err)
	if errors.As(err, &hinted) {
		hint = hinted.hint
	}
	if hint == "" && errors.As(err, &usage) {
		hint = "jali --help, or jali COMMAND --help"
	}
	if !said[hint] {
		fmt.Fprintf(a.stderr, "%s %s\n", a.screen.err.bold("hint:"), printable(hint))
	}
}
