package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	jaliv1 "jali/proto/jali/v1"
)

func timestampCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "timestamp --dir D",
		Short: "Obtain an RFC 3161 time stamp over the audit log now",
		Long: `Obtain a time stamp over the newest cosigned state of the audit log from the authority of config.yaml, verify it, and record it.
A serving gateway does so by itself, once a day.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withAdmin(cmd.Context(), dir, func(ctx context.Context, admin jaliv1.AdminServiceClient) error {
				act, err := admin.Timestamp(ctx, &jaliv1.TimestampRequest{})
				if err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "time stamp on record (entry %d of the audit log), token %s\n", act.GetSeq(), act.GetDigest())
				return nil
			})
		},
	}
	dirFlag(cmd, &dir)
	return cmd
}

func witnessCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "witness", Short: "Deal with the witnesses of the audit log"}
	var dir string
	in := &jaliv1.ExplainWitnessRequest{}
	explain := &cobra.Command{
		Use:   "explain --dir D --witness NAME --explanation TEXT",
		Short: "Record why a witness has lost its state, and let it count again",
		Long: `Record what the operator of a witness has explained about state that it lost, and let it count again. Until then it counts toward no
quorum. A witness that forgets would cosign a rebuilt log: ask its operator, in person, before you run this.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			in.Approver = approver()
			return withAdmin(cmd.Context(), dir, func(ctx context.Context, admin jaliv1.AdminServiceClient) error {
				act, err := admin.ExplainWitness(ctx, in)
				if err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "witness %s counts again once it has cosigned (entry %d of the audit log)\n", in.GetWitness(), act.GetSeq())
				return nil
			})
		},
	}
	dirFlag(explain, &dir)
	explain.Flags().StringVar(&in.Witness, "witness", "", "name of the witness")
	explain.Flags().StringVar(&in.Explanation, "explanation", "", "what its operator says, for the record")
	explain.MarkFlagRequired("witness")
	explain.MarkFlagRequired("explanation")
	cmd.AddCommand(explain)
	return cmd
}

func verifierCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "verifier", Short: "Put verifiers that witnesses publish on record"}
	var dir, what string
	publish := &cobra.Command{
		Use:   "publish --dir D --what TEXT FILE",
		Short: "Record the SHA-256 of a verifier that witnesses publish",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := os.Open(args[0])
			if err != nil {
				return usage("name the file that witnesses publish, e.g. verify.wasm", "open verifier: %w", err)
			}
			defer f.Close()
			h := sha256.New()
			if _, err := io.Copy(h, f); err != nil {
				return fmt.Errorf("read verifier: %w", err)
			}
			return withAdmin(cmd.Context(), dir, func(ctx context.Context, admin jaliv1.AdminServiceClient) error {
				act, err := admin.PublishVerifier(ctx, &jaliv1.PublishVerifierRequest{Digest: h.Sum(nil), What: what, Approver: approver()})
				if err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "verifier with SHA-256 %x on record (entry %d of the audit log)\n", h.Sum(nil), act.GetSeq())
				return nil
			})
		},
	}
	dirFlag(publish, &dir)
	publish.Flags().StringVar(&what, "what", "", "what it is and where it is published, for the record")
	publish.MarkFlagRequired("what")
	cmd.AddCommand(publish)
	return cmd
}
