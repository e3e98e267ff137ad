// Command jali-auditor reads and checks the record of a Jali gateway: live over the network, from the files of a stopped
// gateway, from an export, or from a single receipt. It needs nothing of the gateway but its log's public keys.
//
// What it prints says what was checked, by whose key and when; what is not said was not checked. Exit status: 0 ok, 1
// something on this machine failed, 2 bad flags, 3 denied by the gateway, 5 gateway or files unavailable, 6 verification
// failed.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// app is one invocation.
type app struct {
	stdout, stderr io.Writer
	from           sourceFlags
	// started tells a command's own errors from those of reading the command line, which are exit status 2.
	started bool
}

func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	a := &app{stdout: stdout, stderr: stderr}
	root := &cobra.Command{
		Use:   "jali-auditor",
		Short: "Read and check the record of a Jali gateway",
		Long: `Read and check the record of a Jali gateway.

The record is taken from one of: a live gateway (--profile, or --endpoint --ca --cert --key), the state directory of a stopped
gateway (--dir), an export (--export), or, for verify, a single receipt (--receipt).

--vkeys names a file with the log's verifier keys, from whoever vouches for them. Without it the keys come from the record
itself, and the report says so: a record that was replaced as a whole then verifies under keys replaced with it.`,
		SilenceErrors: true, SilenceUsage: true,
		PersistentPreRun: func(*cobra.Command, []string) { a.started = true },
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	a.from.register(root)
	root.AddCommand(a.verifyCommand(), a.listCommand(), a.showCommand(), a.spendCommand(), a.replayCommand(), a.watchCommand(), a.holdCommand(), a.unholdCommand(), a.approveCommand(), a.exportCommand(), a.openCommand(), a.witnessCommand(), a.versionCommand())
	root.SetArgs(args)
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
	status := statusOf(err)
	if status == statusUsage && os.Getenv(childEnv) != "" {
		return statusChildUsage
	}
	return status
}
