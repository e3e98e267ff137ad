package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"jali/gateway"
)

func initCommand() *cobra.Command {
	var dir, origin string
	cfg := defaultConfig()
	cmd := &cobra.Command{
		Use:   "init --dir D",
		Short: "Make a state directory: keys, development CA, audit log, default policy",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if origin == "" {
				host, err := os.Hostname()
				if err != nil || host == "" {
					host = "localhost"
				}
				origin = fmt.Sprintf("%s/jali/%d", host, time.Now().UTC().Year())
			}
			err := gateway.Init(cmd.Context(), gateway.InitConfig{Dir: dir, Origin: origin, Hosts: cfg.Hosts, Now: time.Now, Operator: operatorLog(cfg.LogLevel)})
			if errors.Is(err, fs.ErrExist) {
				return usage("choose a new directory; an existing one is never overwritten", "%s is not empty", dir)
			}
			if err != nil {
				return err
			}
			if err := cfg.write(gateway.Layout(dir).Config()); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), `state directory %s
audit log       %s (its key is a file: for development and small sites, see docs/operations.md)
next            put a catalogue in %s, then:
                jali-gateway import --dir %s --dataset ID FILE...
                jali-gateway agreement add --dir %s FILE
                jali-gateway budget set --dir %s --population P --pu N
                jali-gateway client new --dir %s --name N --role researcher --org O --out DIR
                jali-gateway serve --dir %s
`, dir, origin, gateway.Layout(dir).Catalogs(), dir, dir, dir, dir, dir)
			return nil
		},
	}
	dirFlag(cmd, &dir)
	cmd.Flags().StringVar(&origin, "origin", "", "name of the audit log (default HOST/jali/YEAR)")
	cmd.Flags().StringSliceVar(&cfg.Hosts, "host", cfg.Hosts, "names and addresses of the server certificate")
	cmd.Flags().StringVar(&cfg.Listen, "listen", cfg.Listen, "address serve will listen on")
	return cmd
}
