package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"jali/sdk"
)

// completion asks the gateway, for at most two seconds, and offers nothing when it does not answer.
func (a *app) completion(cmd *cobra.Command, list func(context.Context, *sdk.Client) []string) ([]string, cobra.ShellCompDirective) {
	a.link.timeout = min(a.link.timeout, 2*time.Second)
	ctx := cmd.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, stop, client, _, err := a.dial(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer stop()
	return list(ctx, client), cobra.ShellCompDirectiveNoFileComp
}

func (a *app) completeDatasets(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return a.completion(cmd, func(ctx context.Context, client *sdk.Client) []string {
		list, _ := client.Datasets(ctx) // no list, no completions
		var ids []string
		for _, d := range list {
			ids = append(ids, d.ID+"\t"+cell(d.Title))
		}
		return ids
	})
}

func (a *app) completeCatalog(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return a.completeDatasets(cmd, args, prefix)
	}
	return a.completion(cmd, func(ctx context.Context, client *sdk.Client) []string {
		d, err := client.Dataset(ctx, args[0])
		if err != nil {
			return nil
		}
		var names []string
		switch len(args) {
		case 1:
			for _, t := range d.Tables {
				names = append(names, t.Name)
			}
		case 2:
			if t := d.Table(args[1]); t != nil {
				for _, c := range t.Columns {
					names = append(names, c.Name)
				}
			}
		}
		return names
	})
}
