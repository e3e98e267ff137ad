package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"jali/sdk"
)

func (a *app) loginCommand() *cobra.Command {
	var (
		login  sdk.Login
		device bool
	)
	cmd := &cobra.Command{
		Use:   "login",
		Short: "Log in at the custodian's identity provider",
		Long: `Log in at the custodian's identity provider and keep the token in the profile's token file, for your account alone.

In a browser on this machine, or, with --device, by a code that is typed on any device. The other commands then use the token and renew it while the
provider allows. Issuer, client id and token file come from the profile; flags override it.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := sdk.LoadProfile(a.link.profile)
			if err != nil && !errors.Is(err, sdk.ErrNoProfile) {
				return err
			}
			login.Issuer, login.Client, login.CA = first(login.Issuer, p.Issuer), first(login.Client, p.ClientID), first(login.CA, p.IssuerCA)
			login.Resource, login.File = first(login.Resource, p.Resource), first(a.link.token, p.TokenFile)
			if login.File == "" {
				return usagef("put token_file: into the profile, or pass --token-file", "login needs to know where to keep the token")
			}
			if err := os.MkdirAll(filepath.Dir(login.File), 0o700); err != nil {
				return fmt.Errorf("make directory of the token file: %w", err)
			}
			ctx, stop := context.WithTimeout(cmd.Context(), loginTime)
			defer stop()
			if device {
				err = login.Device(ctx, func(address, code string) {
					fmt.Fprintf(a.stderr, "open     %s\nand type %s\n", address, code)
				})
			} else {
				err = login.Browser(ctx, func(address string) {
					fmt.Fprintf(a.stderr, "open in a browser on this machine:\n%s\n", address)
					if a.screen.progress {
						openBrowser(address)
					}
				})
			}
			if errors.Is(err, sdk.ErrLogin) {
				return hintedError{err, "try again; the custodian's identity provider knows why it refuses"}
			}
			if err != nil {
				return err
			}
			fmt.Fprintln(a.stderr, "logged in: "+login.File)
			return nil
		},
	}
	f := cmd.Flags()
	f.BoolVar(&device, "device", false, "by a code that is typed on another device, for machines without a browser")
	f.StringVar(&login.Issuer, "issuer", "", "`address` of the identity provider")
	f.StringVar(&login.Client, "client-id", "", "`id` of this program at the provider")
	f.StringVar(&login.CA, "issuer-ca", "", "`file` with the CA certificate of the provider")
	f.StringVar(&login.Resource, "resource", "", "`name` of the gateway at a provider that asks for it (RFC 8707)")
	f.StringSliceVar(&login.Scopes, "scope", nil, "`scopes` besides openid and offline_access")
	return cmd
}

// loginTime is how long a person may take.
const loginTime = 10 * time.Minute

// openBrowser tries; the address is on the screen as well.
func openBrowser(address string) {
	if cmd := exec.Command("xdg-open", address); cmd.Start() == nil {
		go cmd.Wait() // so that nothing is left of it
	}
}
