package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	jaliv1 "jali/proto/jali/v1"
)

func eraseCommand() *cobra.Command {
	var dir, entries, person, text string
	var approvals []string
	var query uint64
	in := &jaliv1.EraseRequest{}
	cmd := &cobra.Command{
		Use:   "erase --dir D --scope S --law CODE --order TEXT (--entries LIST | --query SEQ | --person NAME) (--preview | --approval FILE --approval FILE)",
		Short: "Erase details of the audit log by destroying their keys",
		Long: `Erase details, and the stored results of the questions they belong to, by destroying the keys that open them. Headers,
chain, proofs and spends stay; a question that was erased can be neither replayed nor found again, and asked again it is
charged again. Two different people approve: --preview --text FILE writes what they sign, each with jali-auditor approve on their own
machine; their certificates and signatures go on record. See docs/operations.md, "Erasure", for backups.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if text != "" && !in.GetPreview() {
				return usage("add --preview", "--text goes with --preview")
			}
			for _, path := range approvals {
				b, err := os.ReadFile(path)
				if err != nil {
					return usage("name the files that jali-auditor approve wrote", "read approval: %w", err)
				}
				in.Approvals = append(in.Approvals, b)
			}
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
					if text != "" {
						if err := os.WriteFile(text, []byte(done.GetText()), 0o600); err != nil {
							return fmt.Errorf("write text: %w", err)
						}
						fmt.Fprintf(out, "text for the approvers in %s\n", text)
					}
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
	f.StringArrayVar(&approvals, "approval", nil, "file that an approver made; give two")
	f.StringVar(&text, "text", "", "with --preview: file to write what approvers sign to")
	f.StringVar(&entries, "entries", "", "entries, e.g. 5,7-9 or single details, e.g. 12:actor")
	f.Uint64Var(&query, "query", 0, "the INTENT of a question: it, its outcome, its replays and its stored result")
	f.StringVar(&person, "person", "", "name or key of a person: its questions with their results, and its name elsewhere")
	f.BoolVar(&in.Preview, "preview", false, "only tell what would be erased")
	cmd.MarkFlagsMutuallyExclusive("entries", "query", "person")
	cmd.MarkFlagsOneRequired("entries", "query", "person")
	for _, name := range []string{"scope", "law", "order"} {
		cmd.MarkFlagRequired(name)
	}
	return cmd
}
