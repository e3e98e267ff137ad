package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	jaliv1 "jali/proto/jali/v1"
)

func studyCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "study", Short: "Register study populations for encrypted questions"}
	cmd.AddCommand(studyRegister(), studyList(), studyEnd())
	return cmd
}

func studyRegister() *cobra.Command {
	var dir, persons string
	in := &jaliv1.RegisterStudyRequest{}
	cmd := &cobra.Command{
		Use:   "register --dir D --agreement A --id S --persons FILE",
		Short: "Register who takes part in a study, or a new version of the list",
		Long: `Register the participants of a study under an agreement that opens encrypted questions. FILE has one person id per line, exactly as in the
person key of the dataset; the order of the lines is that of the slots, which whoever selects participants must have. Persons without
data are taken like all others, and nothing tells which they are. The ids are not kept: the gateway keeps keyed digests of them, sealed
under a key that is a detail of the audit log's entry. The same id again is a new version; questions quoted before are refused as stale.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if in.Persons, err = os.ReadFile(persons); err != nil {
				return usage("name a file with one person id per line", "read persons: %w", err)
			}
			in.Persons = bytes.TrimPrefix(in.Persons, []byte("\ufeff")) // of editors on Windows, as jali does with its copy
			if len(in.Persons) == 0 {
				return usage("name a file with one person id per line", "the list of persons is empty")
			}
			in.Approver = approver()
			return withStudies(cmd.Context(), dir, func(ctx context.Context, studies jaliv1.StudyServiceClient) error {
				act, err := studies.RegisterStudy(ctx, in)
				if err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "study %s registered, list %s (entry %d of the audit log)\n", in.GetStudy(), act.GetDigest(), act.GetSeq())
				return nil
			})
		},
	}
	dirFlag(cmd, &dir)
	f := cmd.Flags()
	f.StringVar(&in.Agreement, "agreement", "", "agreement that the study is part of")
	f.StringVar(&in.Dataset, "dataset", "", "dataset whose persons take part (may be left out when the agreement covers one)")
	f.StringVar(&in.Study, "id", "", "id of the study: a-z, 0-9, _ and -; it is public")
	f.StringVar(&persons, "persons", "", "file with one person id per line")
	for _, name := range []string{"agreement", "id", "persons"} {
		cmd.MarkFlagRequired(name)
	}
	return cmd
}

func studyList() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "list --dir D",
		Short: "List the studies that are served",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withStudies(cmd.Context(), dir, func(ctx context.Context, studies jaliv1.StudyServiceClient) error {
				all, err := studies.ListStudies(ctx, &jaliv1.ListStudiesRequest{})
				if err != nil {
					return err
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
				fmt.Fprintln(w, "agreement\tstudy\tdataset\tversion\tslots\tlist\tentry")
				for _, s := range all.GetStudies() {
					fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%x\t%d\n", s.GetAgreement(), s.GetStudy(), s.GetDataset(), s.GetVersion(), s.GetSlots(), s.GetMapping(), s.GetEntry())
				}
				return w.Flush()
			})
		},
	}
	dirFlag(cmd, &dir)
	return cmd
}

func studyEnd() *cobra.Command {
	var dir string
	in := &jaliv1.EndStudyRequest{}
	cmd := &cobra.Command{
		Use:   "end --dir D --agreement A --id S",
		Short: "End a study and remove its list",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			in.Approver = approver()
			return withStudies(cmd.Context(), dir, func(ctx context.Context, studies jaliv1.StudyServiceClient) error {
				act, err := studies.EndStudy(ctx, in)
				if err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "study %s has ended (entry %d of the audit log)\n", in.GetStudy(), act.GetSeq())
				return nil
			})
		},
	}
	dirFlag(cmd, &dir)
	cmd.Flags().StringVar(&in.Agreement, "agreement", "", "agreement that the study is part of")
	cmd.Flags().StringVar(&in.Study, "id", "", "id of the study")
	cmd.MarkFlagRequired("agreement")
	cmd.MarkFlagRequired("id")
	return cmd
}
