// Command jali asks a Jali gateway questions from a terminal or a script.
//
// It prints an answer only after its receipt has verified. What it prints on standard output is the answer; progress,
// notes and errors go to standard error. Exit status: 0 ok, 1 something on this machine failed (a file could not be written),
// 2 bad query or flags, 3 denied by policy, 4 budget exhausted, 5 gateway unavailable, 6 receipt did not verify.
// docs/cli.md describes every command.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// app is one invocation: its streams and what the flags said.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	screen         screen // how to draw on stderr and, for tables, on stdout

	link linkFlags
	// started tells a command's own errors from those of reading the command line, which are exit status 2.
	started bool
	// sql is the text an error's caret points into.
	sql string
}

func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr, screen: newScreen(stdout, stderr)}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return statusOK
	}
	if !a.started {
		err = usageError{err}
	}
	a.report(err)
	return statusOf(err)
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "jali",
		Short: "Ask protected questions about data that stays where it is",
		Long: `Ask protected questions about data that stays where it is.

Every answer is an aggregate with noise, comes with a 95 % interval, costs part of a privacy budget,
and is printed only after its receipt has verified against the log key you hold.`,
		Example: `  jali catalog
  jali quote --error 50 "SELECT COUNT(*) FROM beneficiary"
  jali query --error 50 "SELECT sex, COUNT(*) FROM beneficiary GROUP BY sex"`,
		SilenceUsage:      true,
		SilenceErrors:     true,
		PersistentPreRun:  func(*cobra.Command, []string) { a.started = true },
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: false},
	}
	a.link.register(root)
	root.AddCommand(a.catalogCommand(), a.quoteCommand(), a.queryCommand(), a.analyzeCommand(), a.cohortCommand(), a.budgetCommand(), a.receiptCommand(), a.loginCommand(), a.versionCommand())
	return root
}
