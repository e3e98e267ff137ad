package main

import (
	"crypto/tls"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"jali/audit/approval"
)

func (a *app) approveCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "approve FILE --out APPROVAL",
		Short: "Sign the text of an erasure with your own certificate",
		Long: `Sign the text of an erasure, as the custodian's erase --preview --text wrote it, with the key of your certificate (--profile, or --cert
and --key). Read the text first: it says which entries of which log go, on which legal basis and by which order, and it is shown. The
approval is a file for the custodian; two of them, by different people, carry the erasure, and both stay on record.`,
		Example: "  jali-auditor approve erase.txt --profile ./ben --out ben.approval",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			text, err := os.ReadFile(args[0])
			if err != nil {
				return usagef("name the file that erase --preview --text wrote", "read text: %w", err)
			}
			cert, key := a.from.cert, a.from.key
			if cert == "" || key == "" {
				p, err := a.from.settings()
				if err != nil {
					return err
				}
				cert, key = p.Cert, p.Key
			}
			pair, err := tls.LoadX509KeyPair(cert, key)
			if err != nil {
				return usagef("--profile, or --cert FILE and --key FILE", "load certificate: %w", err)
			}
			signed, err := approval.Sign(text, pair)
			if err != nil {
				return err
			}
			if err := writeNew(out, append(signed, '\n')); err != nil {
				return err
			}
			var shown strings.Builder // line by line: control characters in the text are escaped, its own line ends stay
			for line := range strings.Lines(string(text)) {
				shown.WriteString(printable(strings.TrimSuffix(line, "\n")) + "\n")
			}
			_, err = fmt.Fprintf(a.stdout, "%sapproved by %s, in %s\n", shown.String(), printable(pair.Leaf.Subject.String()), out)
			return err
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "`file` to write, which must not exist")
	return required(cmd, "out")
}
