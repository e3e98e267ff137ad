package main

import (
	"errors"
	"fmt"
	"io/fs"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"jali/gateway"
	"jali/gateway/catalog"
)

func sdcCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "sdc", Short: "Examine populations in mode sdc"}
	var dir, population string
	var k int64
	audit := &cobra.Command{
		Use:   "audit --dir D --population P",
		Short: "Look for persons that all answers together would expose",
		Long: `Look for persons that all answers together would expose.

The rules compare each answer with each earlier one. This looks at all that an organisation was told about a population at once: whether
sums and differences of it are about fewer than --min-cell persons. Run it every night; it may run beside the gateway. Free 0 proves
that there is none. Exit status 1: some are told; the custodian ends the agreement or talks to the organisation.`,
		Example: "  jali-gateway sdc audit --dir /var/lib/jali --population ward",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !catalog.ValidID(population) || k < 1 {
				return usage("name a population in mode sdc, as its catalogue does", "no valid --population, or --min-cell below 1")
			}
			found, err := gateway.AuditMemory(gateway.Layout(dir), population, k)
			if errors.Is(err, fs.ErrNotExist) {
				return usage("nothing was told about a population of this name in mode sdc, or the directory is another", "%w", err)
			}
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
			fmt.Fprintln(w, "organisation\ttold\tatoms\tsmall\tfree\texposed")
			exposed := 0
			for _, e := range found {
				fmt.Fprintf(w, "%q\t%d\t%d\t%d\t%d\t%d\n", e.Party, e.Sets, e.Atoms, e.Small, e.Free, e.Told)
				exposed += e.Told
			}
			if err := w.Flush(); err != nil {
				return err
			}
			if exposed > 0 {
				return fmt.Errorf("%d combinations of answers are about fewer than %d persons", exposed, k)
			}
			return nil
		},
	}
	audit.Flags().StringVar(&dir, "dir", ".", "state directory")
	audit.Flags().StringVar(&population, "population", "", "population in mode sdc")
	audit.Flags().Int64Var(&k, "min-cell", 11, "smallest group of persons that may be told of")
	cmd.AddCommand(audit)
	return cmd
}
