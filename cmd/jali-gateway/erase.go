package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	jaliv1 "jali/proto/jali/v1"
)

func eraseCommand() *cobra.Command {
	var dir, entries, person, second string
	var query uint64
	in := &jaliv1.EraseRequest{}
	cmd := &cobra.Command{
		Use:   "erase --dir D --scope S --law CODE --order TEXT --approver2 NAME (--entries LIST | --query SEQ | --person NAME)",
		Short: "Erase details of the audit log by destroying their keys",
		Long: `Erase details, and the stored results of the questions they belong to, by destroying the keys that open them. Headers,
chain, proofs and spends stay; a question that was erased can be neither replayed nor found again, and asked again it is
charged again. Two different people approve; both names go on record. See docs/operations.md, "Erasure", for backups.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if in.Approver == "" {
				in.Approver = approver()
			}
			in.Approver2 = second
			switch {
			case cmd.Flags().Changed("entries"):
				in.What = &jaliv1.EraseRequest_Entries{Entries: entries}
			case cmd.Flags().Changed("query"):
				in.What = &jaliv1.EraseRequest_Query{Query: query}
			case cmd.Flags().Changed("person"):
				in.What = &jaliv1.EraseRequest_Person{Person: person}
			}
			return withAdmin(cmd.Context(), dir, func(ctx context.Context, admin jaliv1.AdminServiceClient) error {
				done, err := admin.Erase(ctx, in)
				if err != nil {
					return err
				}
				out := cmd.OutOrStdout()
				if in.GetPreview() {
					fmt.Fprintf(out, "would erase the details of entries %s\n", done.GetEntries())
				} else {
					fmt.Fprintf(out, "erased the details of entries %s: %d keys destroyed (entries %d and %d of the audit log)\n",
						done.GetEntries(), done.GetKeys(), done.GetErase(), done.GetErased())
					fmt.Fprintln(out, "backups of keys.db made before still open them: destroy these too")
				}
				for _, id := range done.GetEnded() {
					fmt.Fprintf(out, "agreement %s ends with its text\n", id)
				}
				return nil
			})
		},
	}
	dirFlag(cmd, &dir)
	f := cmd.Flags()
	f.StringVar(&in.Scope, "scope", "", "person, query, result or retention")
	f.StringVar(&in.Law, "law", "", "code of the legal basis, e.g. GDPR:17.1; it is public")
	f.StringVar(&in.Order, "order", "", "the decision this carries out")
	f.StringVar(&in.Approver, "approver", "", "who approves (default: the account that runs the command)")
	f.StringVar(&second, "approver2", "", "who else approves, in another role")
	f.StringVar(&entries, "entries", "", "entries, e.g. 5,7-9 or single details, e.g. 12:actor")
	f.Uint64Var(&query, "query", 0, "the INTENT of a question: it, its outcome, its replays and its stored result")
	f.StringVar(&person, "person", "", "name or key of a person: its questions with their results, and its name elsewhere")
	f.BoolVar(&in.Preview, "preview", false, "only tell what would be erased")
	cmd.MarkFlagsMutuallyExclusive("entries", "query", "person")
	cmd.MarkFlagsOneRequired("entries", "query", "person")
	for _, name := range []string{"scope", "law", "order", "approver2"} {
		cmd.MarkFlagRequired(name)
	}
	return cmd
}
