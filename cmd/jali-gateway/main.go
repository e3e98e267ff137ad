// Command jali-gateway is the custodian's program: it makes a state directory, imports data, registers agreements, serves
// questions, and checks itself. Commands that change state work whether or not the gateway is serving: they go through its
// admin socket when it is, and open the state directory themselves when it is not.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"jali/audit/store"
	"jali/gateway"
)

// Exit statuses: 1 a failure, 2 wrong usage or bad input; of the audit log 70 a commit failed, 71 in use by another process, 72
// damaged, 73 rolled back, 74 forked, 75 too few witnesses (gateway.ExitCode). A supervisor must not restart after 72, 73, 74.
const (
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string) int {
	root := command()
	root.SetArgs(args)
	started := false
	walk(root, &started)
	if err := root.ExecuteContext(ctx); err != nil {
		var c *coded
		if !started && !errors.As(err, &c) {
			err = usage("jali-gateway --help lists the commands, COMMAND --help its flags", "%w", err)
		}
		fmt.Fprintln(os.Stderr, "error:", err)
		if h := hintOf(err); h != "" {
			fmt.Fprintln(os.Stderr, "hint:", h)
		}
		if errors.As(err, &c) {
			return c.code
		}
		if errors.Is(err, gateway.ErrRecord) {
			return store.ExitDamaged
		}
		if code := gateway.ExitCode(err); code != 0 {
			return code
		}
		return exitFailed
	}
	return 0
}

func command() *cobra.Command {
	root := &cobra.Command{
		Use:           "jali-gateway",
		Short:         "Answer questions about people's data without letting the data go",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(studyCommand(), consoleCommand())
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &coded{code: exitUsage, err: err, hint: cmd.CommandPath() + " --help lists the flags"}
	})
	root.AddCommand(
		initCommand(), importCommand(), attachCommand(), catalogCommand(), agreementCommand(), budgetCommand(), policyCommand(),
		clientCommand(), serveCommand(), doctorCommand(), demoCommand(), synthCommand(), exportCommand(), eraseCommand(), sdcCommand(), restoreCommand(), backupCommand(), shardCommand(), timestampCommand(), witnessCommand(), verifierCommand(), holdCommand(), unholdCommand(), versionCommand(),
	)
	return root
}

// walk makes every mistake on the command line end with exitUsage. What fails before a command's own work has started is one; so is
// a word that no group of commands knows, for which cobra would show the help and end well.
func walk(cmd *cobra.Command, started *bool) {
	for _, c := range cmd.Commands() {
		walk(c, started)
		if c.HasSubCommands() {
			c.RunE = func(c *cobra.Command, args []string) error {
				if len(args) > 0 {
					return usage(c.CommandPath()+" --help lists its commands", "unknown command %q for %q", args[0], c.CommandPath())
				}
				return c.Help()
			}
		} else if work := c.RunE; work != nil {
			c.RunE = func(c *cobra.Command, args []string) error {
				*started = true
				return work(c, args)
			}
		}
	}
}

// coded is an error with an exit status and a hint.
type coded struct {
	code int
	err  error
	hint string
}

func (c *coded) Error() string { return c.err.Error() }
func (c *coded) Unwrap() error { return c.err }

func usage(hint, format string, args ...any) error {
	return &coded{code: exitUsage, err: fmt.Errorf(format, args...), hint: hint}
}

func hintOf(err error) string {
	var c *coded
	if errors.As(err, &c) {
		return c.hint
	}
	if errors.Is(err, gateway.ErrStamper) {
		return "timestamp.url and timestamp.ca in config.yaml (docs/operations.md)"
	}
	return ""
}

// dirFlag adds the required --dir.
func dirFlag(cmd *cobra.Command, dir *string) {
	cmd.Flags().StringVar(dir, "dir", "", "state directory (made by jali-gateway init)")
	cmd.MarkFlagRequired("dir")
	cmd.MarkFlagDirname("dir")
}
