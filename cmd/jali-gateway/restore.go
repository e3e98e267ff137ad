package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"jali/audit"
	"jali/audit/store"
	"jali/gateway"
)

func restoreCommand() *cobra.Command {
	var dir, from, order, origin, backup, keys string
	var unwitnessed bool
	cmd := &cobra.Command{
		Use:   "restore --dir D (--backup DIR [--keys DIR] | --order TEXT (--export DIR | --new-origin ORIGIN))",
		Short: "Bring an audit log that was put back from an old copy up to what witnesses have cosigned",
		Long: `Bring an audit log that was put back from an old copy up to what witnesses have cosigned.

--backup makes a new state directory of what backup wrote and asks the witnesses whether it is the newest; the other two mend a log that is not.

The gateway must be stopped. DIR of --export is an export or mirror of the log (any audience: headers suffice) that reaches at least as far as the
witnesses' last cosigned checkpoint, which is fetched from the witnesses of seal.policy. Entries and every ledger are rebuilt from the
headers, so no budget returns. Details and stored answers of the missing range are lost, and an entry says so. A log that has
entries of its own beyond the copy is a fork and is not restored. The old file stays as audit.db.restored.

If nobody has the headers, the origin cannot be continued: --new-origin begins another one. Its genesis commits to what witnesses have
cosigned last, an entry names the range that is lost, and every budget of the copy begins spent up to its cap. Register the new origin's keys
at the witnesses first (shard prepare). The old files lie in D/shards.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if backup != "" {
				return restoreBackup(cmd, dir, backup, keys, unwitnessed)
			}
			if order == "" {
				return usage("it goes on record", "name the decision that this carries out with --order")
			}
			cfg, err := loadConfig(dir)
			if err != nil {
				return err
			}
			if origin != "" {
				return restoreAnew(cmd, dir, origin, order, cfg)
			}
			lines, err := readHeaders(filepath.Join(from, "entries.jsonl"))
			if err != nil {
				return usage("name the directory of an export: it has entries.jsonl in it", "read headers: %w", err)
			}
			rebuilt, err := gateway.Restore(cmd.Context(),
				gateway.Config{Dir: dir, Now: time.Now, Witness: gateway.WitnessConfig(cfg.Witness), Operator: operatorLog(cfg.LogLevel)},
				gateway.RestoreConfig{
					Approver: approver(), Order: order,
					Entries: func(from uint64) ([][]byte, error) {
						if from > uint64(len(lines)) {
							return nil, nil
						}
						return lines[from:], nil
					},
				})
			if err != nil {
				hint := "docs/operations.md, restore"
				if errors.Is(err, audit.ErrSeq) {
					hint = "the export ends before what witnesses have cosigned: find a newer one"
				}
				if code := gateway.ExitCode(err); code != 0 && !errors.Is(err, store.ErrDamaged) {
					return &coded{code: code, err: err, hint: hint}
				}
				return &coded{code: exitFailed, err: err, hint: hint}
			}
			fmt.Fprintf(cmd.OutOrStdout(), `restored entries %d to %d from headers; ledgers follow them
lost, on record   details and stored answers of these entries; register agreements and import data versions again where they were among them
old file          %s: keep it until the regulator has seen it
`, rebuilt.Had, rebuilt.Has-1, rebuilt.Old)
			if len(rebuilt.Erasures) > 0 {
				fmt.Fprintf(cmd.OutOrStdout(), "erase again       what entries %s ordered: their lists are lost, and an old copy of keys.db opens what they had destroyed\n", strings.Trim(fmt.Sprint(rebuilt.Erasures), "[]"))
			}
			return nil
		},
	}
	dirFlag(cmd, &dir)
	cmd.Flags().StringVar(&from, "export", "", "directory of an export or mirror of the log")
	cmd.Flags().StringVar(&order, "order", "", "the decision this carries out, for the record")
	cmd.Flags().StringVar(&origin, "new-origin", "", "name of the log to go on in, when nobody has the headers")
	cmd.Flags().StringVar(&backup, "backup", "", "directory that backup wrote with --out")
	cmd.Flags().StringVar(&keys, "keys", "", "directory that backup wrote with --keys")
	cmd.Flags().BoolVar(&unwitnessed, "unwitnessed", false, "restore a backup although nobody can say whether it is the newest")
	cmd.MarkFlagsMutuallyExclusive("export", "new-origin", "backup")
	cmd.MarkFlagsOneRequired("export", "new-origin", "backup")
	return cmd
}

func restoreAnew(cmd *cobra.Command, dir, origin, order string, cfg config) error {
	lost, err := gateway.RestoreAnew(cmd.Context(),
		gateway.Config{Dir: dir, Now: time.Now, Witness: gateway.WitnessConfig(cfg.Witness), Operator: operatorLog(cfg.LogLevel)},
		origin, gateway.RestoreConfig{Approver: approver(), Order: order})
	if err != nil {
		return shardError(err)
	}
	fmt.Fprintf(cmd.OutOrStdout(), `the audit log goes on as %s
lost, on record   entries %d to %d of %s; every budget begins spent up to its cap
to do             register policy, data versions and agreements again; a regulator decides about new budgets
old files         %s: keep them until the regulator has seen them
`, origin, lost.A, lost.B, lost.Origin, gateway.Layout(dir).Shard(""))
	return nil
}

// readHeaders reads entries.jsonl: one header line each. Whether they are the log's is for the rebuild to check.
func readHeaders(path string) ([][]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out [][]byte
	in := bufio.NewScanner(f)
	in.Buffer(nil, audit.MaxHeader+2)
	for in.Scan() {
		out = append(out, append([]byte(nil), in.Bytes()...))
	}
	return out, in.Err()
}
