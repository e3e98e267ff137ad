package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"jali/crypto/cohort"
)

func (a *app) openCommand() *cobra.Command {
	var form format
	var keyFile, kept string
	cmd := &cobra.Command{
		Use:   "open SEQ",
		Short: "Open an encrypted question and recompute every byte of its key and upload",
		Long: `Open an encrypted question with the auditor's secret key, and recompute every byte of its key and upload.

SEQ is the INTENT of a question under an agreement that names the auditor. --kept is the gateway's directory openings, or a copy of the
two files that belong to the question; with --dir it is that of the state directory. The digests on record say whether they are what was
sent. Then the seeds are decrypted, key and upload are made again from them, and compared byte for byte.

A match tells which entries were selected, by their numbers in the published list, counted from 0. A mismatch, exit status 6, means that what
was sent is not what an honest client makes: the question was malformed. Opening a question opens its key: whoever holds the auditor's
key and the uploads can read all that were made under it.`,
		Example: `  jali-auditor open 42 --auditor-key auditor.key --dir ./state
  jali-auditor open 42 --auditor-key auditor.key --kept ./openings --export ./export --vkeys vkeys --format json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := form.check(formatTable, formatJSON); err != nil {
				return err
			}
			var seq uint64
			if _, err := fmt.Sscanf(args[0], "%d", &seq); err != nil || fmt.Sprint(seq) != args[0] {
				return usagef("jali-auditor open 42", "SEQ is the number of an entry")
			}
			key, err := readAuditorKey(keyFile)
			if err != nil {
				return err
			}
			if kept == "" && a.from.dir != "" {
				kept = filepath.Join(a.from.dir, "openings")
			}
			if kept == "" {
				return usagef("--kept DIR: the gateway's directory openings, or a copy", "where the openings lie is not said")
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), a.from.timeout)
			defer cancel()
			rec, err := a.openRecord(ctx, true)
			if err != nil {
				return err
			}
			defer rec.close()
			c, err := readCase(ctx, rec, seq)
			if err != nil {
				return err
			}
			q, err := c.encrypted()
			if err != nil {
				return err
			}
			found, err := q.open(key, kept)
			if err != nil {
				return err
			}
			found.Checked = append(found.Checked, c.proof)
			return a.printOpened(found, form)
		},
	}
	cmd.Flags().StringVar(&keyFile, "auditor-key", "", "`file` with the auditor's secret key")
	cmd.Flags().StringVar(&kept, "kept", "", "`directory` with the keys and uploads that the gateway kept")
	form.register(cmd, formatTable, formatJSON)
	cmd.AddCommand(a.keygenCommand())
	return cmd
}

func (a *app) keygenCommand() *cobra.Command {
	var secret, public string
	cmd := &cobra.Command{
		Use:   "keygen",
		Short: "Make an auditor's key",
		Long: `Make an auditor's key (ML-KEM-768 with X25519): the secret part stays with the auditor, off the network; the public part goes into
agreements (encrypted.auditor) and, by the auditor's own hand, to researchers, who compare it with what the gateway names.`,
		Example: "  jali-auditor open keygen --secret auditor.key --public auditor.pub",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if secret == "" || public == "" {
				return usagef("jali-auditor open keygen --secret auditor.key --public auditor.pub", "where the two parts go is not said")
			}
			key, err := cohort.GenerateAuditorKey()
			if err != nil {
				return err
			}
			b, err := key.Store()
			if err != nil {
				return fmt.Errorf("store auditor key: %w", err)
			}
			defer clear(b)
			if err := writeKeyFile(secret, b, 0o600); err != nil {
				return err
			}
			return writeKeyFile(public, key.Public(), 0o644)
		},
	}
	cmd.Flags().StringVar(&secret, "secret", "", "new `file` for the secret part")
	cmd.Flags().StringVar(&public, "public", "", "new `file` for the public part")
	return cmd
}

// writeKeyFile writes base64 into a file that must not exist: a key is never overwritten.
func writeKeyFile(path string, b []byte, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return usagef("name a file that does not exist yet", "write key: %w", err)
	}
	_, err = fmt.Fprintln(f, base64.StdEncoding.EncodeToString(b))
	return errors.Join(err, f.Sync(), f.Close())
}

// readAuditorKey reads the secret part. Its errors never quote it.
func readAuditorKey(path string) (*cohort.AuditorKey, error) {
	const hint = "--auditor-key FILE, as jali-auditor open keygen has written it"
	if path == "" {
		return nil, usagef(hint, "no auditor's key given")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, usagef(hint, "read auditor key: %w", err)
	}
	defer clear(text)
	b := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	defer clear(b)
	n, err := base64.StdEncoding.Decode(b, text)
	if err != nil {
		return nil, usagef(hint, "the file holds no auditor's key")
	}
	key, err := cohort.ParseAuditorKey(b[:n])
	if err != nil {
		return nil, usagef(hint, "the file holds no auditor's key")
	}
	return key, nil
}

func (a *app) printOpened(o *opened, form format) error {
	if form.value == formatJSON {
		return a.printJSON(o)
	}
	w := tabwriter.NewWriter(a.stdout, 0, 4, 2, ' ', 0)
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%s\t%s\n", name, printable(fmt.Sprintf(format, args...)))
	}
	line("entry", "%d", o.Entry)
	line("match", "key and upload are, byte for byte, what an honest client makes")
	line("selected", "%d of %d entries of %s", len(o.Selected), o.Entries, o.List)
	for _, i := range o.Selected {
		line("", "%d", i)
	}
	for i, c := range o.Checked {
		line(map[bool]string{true: "checked"}[i == 0], "%s", c)
	}
	return w.Flush()
}
