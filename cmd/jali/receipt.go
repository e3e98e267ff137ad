package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"jali/sdk"
)

// maxEvidence bounds what is read of a receipt or result file.
const maxEvidence = 64 << 20

func (a *app) receiptCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "receipt",
		Short: "Work with receipts",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return usagef("jali receipt verify FILE", "receipt needs a command")
		},
	}
	cmd.AddCommand(a.verifyCommand())
	return cmd
}

func (a *app) verifyCommand() *cobra.Command {
	var (
		form       format
		resultFile string
	)
	cmd := &cobra.Command{
		Use:   "verify FILE",
		Short: "Verify a receipt offline",
		Long: `Verify a receipt offline, against the log's verifier keys (--vkeys, or those of the profile).

No gateway is asked. With --result the bytes written by "jali query --result" are checked too. Exit status 6 when it does not verify.`,
		Example: `  jali receipt verify receipt.json --result result.json --vkeys vkeys`,
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			vkeys, seal := a.link.vkeys, a.link.seal
			if vkeys == "" {
				p, err := sdk.LoadProfile(a.link.profile)
				if err != nil && !errors.Is(err, sdk.ErrNoProfile) {
					return err
				}
				vkeys = p.VKeys
				if seal == "" {
					seal = p.Seal
				}
			}
			receipt, err := readEvidence(args[0])
			if err != nil {
				return err
			}
			var result []byte
			if resultFile != "" {
				if result, err = readEvidence(resultFile); err != nil {
					return err
				}
			}
			shown, err := sdk.VerifySealedReceipt(receipt, result, vkeys, seal)
			if err != nil {
				return err
			}
			if form.value == formatJSON {
				return a.printJSON(struct {
					Verified bool `json:"verified"`
					sdk.Receipt
				}{true, shown})
			}
			return a.showReceipt(shown)
		},
	}
	cmd.Flags().StringVar(&resultFile, "result", "", "`file` with the result bytes")
	form.register(cmd, formatTable, formatJSON)
	return cmd
}

// readEvidence reads a file. It never returns nil bytes, which would mean "not given": an empty result file is checked too.
func readEvidence(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, usagef("check the path", "read receipt: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxEvidence+1))
	if err != nil {
		return nil, usagef("check the path", "read receipt: %w", err)
	}
	if len(b) > maxEvidence {
		return nil, usagef("check the path", "%s is larger than any receipt or result", path)
	}
	return append([]byte{}, b...), nil
}

func (a *app) showReceipt(r sdk.Receipt) error {
	var b bytes.Buffer
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(&b, "%s %s\n", a.screen.out.bold(fmt.Sprintf("%-10s", name)), cell(text))
		}
	}
	line("receipt", "verified: "+receiptLine(r))
	line("", sealLine(r))
	line("agreement", r.Agreement)
	line("dataset", r.Dataset)
	line("purpose", r.Purpose)
	line("released", r.Released.Format("2006-01-02 15:04:05 MST")+", by the gateway's clock")
	line("question", strings.Join(strings.Fields(r.SQL), " "))
	if !r.ResultChecked {
		line("result", "not checked: no --result given")
	}
	name := "checked"
	for _, c := range r.Checks {
		if strings.HasPrefix(c, "unsealed") || strings.HasPrefix(c, "result bytes: not given") {
			continue // said above, and nothing that was checked
		}
		line(name, "- "+c)
		name = ""
	}
	return a.print(b.Bytes())
}
