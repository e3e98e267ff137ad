package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"jali/gateway"
	"jali/policy"
	jaliv1 "jali/proto/jali/v1"
)

func policyCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "policy", Short: "Build, test and activate policy bundles"}
	var dir string

	var out string
	build := &cobra.Command{
		Use:   "build --dir D [SOURCE] --out FILE",
		Short: "Compile, test and sign a directory of Rego and data (default: the compiled-in policy)",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			bundle, err := buildPolicy(dir, args)
			if err != nil {
				return err
			}
			if err := os.WriteFile(out, bundle, 0o600); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %d bytes, signed\n", out, len(bundle))
			return nil
		},
	}
	dirFlag(build, &dir)
	build.Flags().StringVar(&out, "out", "", "bundle file")
	build.MarkFlagRequired("out")

	test := &cobra.Command{
		Use:   "test --dir D [SOURCE]",
		Short: "Compile a policy with the gateway's restricted builtins and run its tests",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			bundle, err := buildPolicy(dir, args)
			if err != nil {
				return err
			}
			p, err := openPolicy(dir, bundle)
			if err != nil {
				return &coded{code: exitUsage, err: err, hint: "mend the rules or their tests; nothing was changed"}
			}
			for _, t := range p.Active().Tests() {
				fmt.Fprintln(cmd.OutOrStdout(), "passed", t.Name)
			}
			return nil
		},
	}
	dirFlag(test, &dir)

	activate := &cobra.Command{
		Use:   "activate --dir D [BUNDLE]",
		Short: "Make a signed bundle the one that decides (default: the compiled-in policy)",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var bundle []byte
			var err error
			if len(args) == 1 {
				bundle, err = os.ReadFile(args[0])
			} else {
				bundle, err = buildPolicy(dir, nil)
			}
			if err != nil {
				return err
			}
			return withAdmin(cmd.Context(), dir, func(ctx context.Context, admin jaliv1.AdminServiceClient) error {
				act, err := admin.ActivatePolicy(ctx, &jaliv1.ActivatePolicyRequest{Bundle: bundle, Approver: approver()})
				if err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "policy %s is active (entry %d of the audit log)\n", act.GetDigest(), act.GetSeq())
				return nil
			})
		},
	}
	dirFlag(activate, &dir)
	cmd.AddCommand(build, test, activate)
	return cmd
}

func buildPolicy(dir string, args []string) ([]byte, error) {
	if _, err := loadConfig(dir); err != nil {
		return nil, err
	}
	key, err := os.ReadFile(gateway.Layout(dir).PolicyKey())
	if err != nil {
		return nil, fmt.Errorf("read policy signing key: %w", err)
	}
	signer, err := policy.ParseSigningKey(key)
	if err != nil {
		return nil, err
	}
	source := policy.Source()
	if len(args) == 1 {
		source = os.DirFS(args[0])
	}
	bundle, err := policy.Build(source, signer)
	if err != nil {
		return nil, &coded{code: exitUsage, err: err, hint: "docs/policy.md explains how a bundle is laid out"}
	}
	return bundle, nil
}

func openPolicy(dir string, bundle []byte) (*policy.Policy, error) {
	key, err := os.ReadFile(gateway.Layout(dir).PolicyVerifyKey())
	if err != nil {
		return nil, fmt.Errorf("read policy verification key: %w", err)
	}
	verifier, err := policy.ParseVerifyKey(key)
	if err != nil {
		return nil, err
	}
	return policy.Open(policy.Config{Bundle: bundle, VerifyKey: verifier})
}
