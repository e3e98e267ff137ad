package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"jali/audit"
	"jali/audit/export"
)

// maxEvidence bounds what is read of a receipt, result or checkpoint file.
const maxEvidence = 64 << 20

func (a *app) verifyCommand() *cobra.Command {
	var form format
	var receipt, result, remember, seal string
	var previous []string
	var tsa string
	var details bool
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Check a record, or a receipt, completely",
		Long: `Check a record completely: every header, hash, tile, spend, outcome and signature; details where they can be read.

With --remember FILE the log must continue the one whose checkpoint lies in FILE, and its newest checkpoint is then written
there. A log that was cut, edited and signed again, rolled back or forked since then is found: by you, without trusting anyone.

The files of a stopped gateway are read in a child process, because a file damaged deeply enough kills the process that
reads it; that, too, is then a finding.`,
		Example: `  jali-auditor verify --dir /var/lib/jali --vkeys vkeys
  jali-auditor verify --profile regulator --details --remember ~/jali.checkpoint
  jali-auditor verify --export ./export --vkeys vkeys
  jali-auditor verify --receipt receipt.json --result result.json --vkeys vkeys`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := form.check(formatTable, formatJSON); err != nil {
				return err
			}
			v := &verification{app: a, details: details, remember: remember, seal: seal, previous: previous, tsa: tsa, when: time.Now().UTC()}
			f, err := v.run(cmd.Context(), receipt, result)
			if err == nil && f != nil && receipt == "" {
				err = v.stamps(cmd.Context(), f)
			}
			if err != nil {
				if form.value == formatJSON && isFinding(err) && statusOf(err) == statusFailed {
					err = errors.Join(err, a.printJSON(failureOf(err, v.when)))
				}
				return err
			}
			if f == nil {
				return nil // the child has printed it
			}
			return a.printFinding(*f, form)
		},
	}
	s := cmd.Flags()
	s.StringVar(&receipt, "receipt", "", "check this receipt `file` instead of a record")
	s.StringVar(&result, "result", "", "with --receipt: `file` with the result bytes it is for")
	s.StringVar(&remember, "remember", "", "`file` with the checkpoint seen last; updated")
	s.StringVar(&seal, "seal", "", "your own copy of the log's seal policy, a `file` that says which witnesses must have cosigned")
	s.StringVar(&tsa, "tsa-ca", "", "verify time stamps under the certificates in this PEM `file`")
	s.StringArrayVar(&previous, "previous", nil, "with --export: `directory` with an export of the log before this one; repeat it for those before that, newest first")
	s.BoolVar(&details, "details", false, "with a live gateway: fetch and check the details that may be seen, too")
	form.register(cmd, formatTable, formatJSON)
	return cmd
}

// verification is one run of verify.
type verification struct {
	*app
	details  bool
	remember string
	seal     string
	previous []string
	tsa      string
	when     time.Time
}

func (v *verification) run(ctx context.Context, receipt, result string) (*finding, error) {
	if receipt != "" {
		return v.receipt(receipt, result)
	}
	if result != "" {
		return nil, usagef("jali-auditor verify --receipt FILE --result FILE --vkeys FILE", "--result goes with --receipt")
	}
	kind, err := v.from.kind()
	if err != nil {
		return nil, err
	}
	if len(v.previous) > 0 && kind != fromExport {
		return nil, usagef("export both logs first: jali-auditor export --out DIR", "--previous goes with --export")
	}
	switch kind {
	case fromDir:
		return v.state(ctx)
	case fromExport:
		return v.export()
	}
	return v.live(ctx)
}

// receipt checks one answer.
func (v *verification) receipt(path, result string) (*finding, error) {
	keys, err := v.from.keys()
	if err != nil {
		return nil, err
	}
	if keys == nil {
		return nil, usagef("--vkeys FILE: the keys that the custodian published", "a receipt cannot be checked without the log's verifier keys")
	}
	text, err := readEvidence(path)
	if err != nil {
		return nil, err
	}
	var bytes []byte
	if result != "" {
		if bytes, err = readEvidence(result); err != nil {
			return nil, err
		}
	}
	q, err := v.quorum()
	if err != nil {
		return nil, err
	}
	rep, err := audit.VerifySealedReceipt(text, bytes, keys.VKeys, "", q)
	if err != nil {
		return nil, failedError{err}
	}
	f := &finding{
		Source: "receipt " + path, Origin: rep.Origin, Size: rep.Size, Root: rep.Root[:], SignedBy: rep.SignedBy, KeysFrom: "given",
		Checks: rep.Checks[:len(rep.Checks)-1], Checked: v.when, Intent: &rep.Intent.Seq, Release: &rep.Release.Seq,
		NotChecked: []string{rep.Checks[len(rep.Checks)-1], "whether others were shown the same log"},
	}
	f.Checks = slices.DeleteFunc(slices.Clone(f.Checks), func(c string) bool { return strings.HasPrefix(c, "result bytes: not given") })
	if rep.Sealed {
		f.Checks = append(f.Checks, rep.Checks[len(rep.Checks)-1]+": "+cosigned(rep.Cosignatures))
		f.NotChecked = []string{"what the witnesses were shown besides this log: ask one for its checkpoint"}
	}
	if !rep.ResultChecked {
		f.NotChecked = append(f.NotChecked, "the result: its bytes were not given (--result FILE)")
	}
	f.signed(rep.Signed)
	return f, nil
}

// export checks a directory of plain files.
func (v *verification) export() (*finding, error) {
	keys, err := v.from.keys()
	if err != nil {
		return nil, err
	}
	if !exists(v.from.export) {
		return nil, usagef("name the directory that `jali-auditor export` wrote", "%s does not exist", v.from.export)
	}
	earlier, err := v.remembered(keys)
	if err != nil {
		return nil, err
	}
	rep, err := export.Verify(v.from.export, keys, earlier...)
	if err != nil {
		return nil, err
	}
	note, err := readEvidence(v.from.export + "/checkpoint")
	if err != nil {
		return nil, err
	}
	f := &finding{
		Source: "export " + v.from.export, Origin: rep.Origin, Size: rep.Size, Root: rep.Root[:], SignedBy: rep.SignedBy,
		KeysFrom: keysFrom(keys, "the export"), Counts: rep.Counts, Uninterpreted: rep.Uninterpreted, OpenIntents: rep.OpenIntents,
		Checks: rep.Checks, Checked: v.when, NotChecked: v.notChecked(earlier),
	}
	f.held(rep.Holds)
	f.signed(rep.Signed)
	newer := v.from.export
	for _, older := range v.previous {
		if !exists(older) {
			return nil, usagef("name the directory that `jali-auditor export` wrote of the log before", "%s does not exist", older)
		}
		link, _, err := export.VerifyLink(newer, older)
		if err != nil {
			err = fmt.Errorf("%s: %w", older, err)
			if errors.Is(err, audit.ErrHistory) { // an export made too early looks like a log that was cut
				err = hintedError{err, "was it exported before the log ended? Get one from after its end: the custodian writes it with jali-auditor export --dir D/shards/NAME. If it is from after, it is evidence: keep it"}
			}
			return nil, err
		}
		f.Checks, f.NotChecked = append(f.Checks, link.Checks...), append(f.NotChecked, link.NotChecked...)
		newer = older
	}
	if exists(newer + "/final") {
		f.NotChecked = append(f.NotChecked, "the log before, from which this one goes on (--previous DIR)")
	}
	if v.seal != "" {
		if keys == nil {
			return nil, usagef("--vkeys FILE: the keys that the custodian published", "--seal needs --vkeys for an export")
		}
		cp, err := keys.OpenCheckpoint(note)
		if err != nil {
			return nil, err
		}
		if err := v.judge(f, keys, cp, rep.Cosigned, earlier); err != nil {
			return nil, err
		}
	}
	return f, v.keep(note)
}

// live checks a serving gateway: it fetches every header and recomputes everything from them.
func (v *verification) live(ctx context.Context) (*finding, error) {
	ctx, cancel := context.WithTimeout(ctx, v.from.timeout)
	defer cancel()
	s, err := v.from.dial(ctx, v.details)
	if err != nil {
		return nil, err
	}
	defer s.close()
	keys, cp, err := s.keysAndCheckpoint(ctx)
	if err != nil {
		return nil, err
	}
	earlier, err := v.remembered(keys)
	if err != nil {
		return nil, err
	}
	chain := audit.NewChain(keys.Origin, keys.VKeys, s.final)
	for _, e := range earlier {
		chain.Expect(e)
	}
	if s.cosigned != nil {
		chain.Expect(*s.cosigned)
	}
	opened, err := checkAll(ctx, s, chain, cp.Size)
	if err != nil {
		return nil, err
	}
	if root, err := chain.Root(); err != nil || root != cp.Root {
		return nil, failedError{errors.New("the entries do not give the root that the gateway has signed")}
	}
	if err := chain.Unmet(); err != nil {
		return nil, err
	}
	f := &finding{
		Source: "gateway " + s.endpoint, Origin: cp.Origin, Size: cp.Size, Root: cp.Root[:], SignedBy: cp.SignedBy,
		KeysFrom: keysFrom(s.given, "the gateway"), Counts: chain.Counts(), Uninterpreted: chain.Uninterpreted(), OpenIntents: len(chain.Open()), Checked: v.when,
		Checks: []string{
			fmt.Sprintf("%d headers fetched, hashed and chained from the genesis on; the root is the one the log has signed", cp.Size),
			fmt.Sprintf("%d budget ledgers recomputed: every spend adds up and none exceeds its cap", len(chain.Ledgers())),
			"every intent was decided under the versions active at its place, and has at most one outcome",
		},
		NotChecked: v.notChecked(earlier),
	}
	if v.details {
		f.Checks = append(f.Checks, fmt.Sprintf("%d details match their headers", opened))
	} else {
		f.NotChecked = append(f.NotChecked, "details (--details fetches those you may see)")
	}
	for _, e := range earlier {
		f.Checks = append(f.Checks, fmt.Sprintf("the log continues the one of %d entries that was remembered", e.Size))
	}
	f.held(chain.Holds())
	f.signed(cp.Time)
	if err := v.judge(f, keys, cp, s.cosigned, earlier); err != nil {
		return nil, err
	}
	return f, v.keep(cp.Note)
}

// checkAll feeds the chain with the entries below size, and checks the details that come with them.
func checkAll(ctx context.Context, s source, chain *audit.Chain, size uint64) (details uint64, err error) {
	for chain.Size() < size {
		page, err := s.page(ctx, chain.Size())
		if err != nil {
			return 0, err
		}
		if len(page) == 0 {
			return 0, failedError{fmt.Errorf("%w: it ends at entry %d, its checkpoint says %d", audit.ErrHistory, chain.Size(), size)}
		}
		for _, e := range page[:min(uint64(len(page)), size-chain.Size())] {
			if err := chain.Next(e.line); err != nil {
				return 0, err
			}
			for _, d := range e.details {
				if _, err := audit.VerifyDetail(chain.Last(), d); err != nil {
					return 0, err
				}
				details++
			}
		}
	}
	return details, nil
}

func keysFrom(given *audit.Keys, what string) string {
	if given != nil {
		return "given"
	}
	return what + " itself"
}

func (v *verification) notChecked(earlier []audit.Checkpoint) []string {
	out := []string{"whether others were shown the same log: no cosignature of a witness was judged (--seal FILE)"}
	switch {
	case len(earlier) > 0:
	case v.remember != "":
		out = append(out, fmt.Sprintf("whether anything was cut or rebuilt before today: %s remembered nothing yet, and does from now on", v.remember))
	default:
		out = append(out, "whether anything was cut or rebuilt before today (--remember FILE checks it from now on)")
	}
	return append(out, "whether anything was answered outside the log: no log can show that")
}

// remembered reads the checkpoint kept from the last time. keys may be nil while the record's own are not known yet.
func (v *verification) remembered(keys *audit.Keys) ([]audit.Checkpoint, error) {
	if v.remember == "" {
		return nil, nil
	}
	b, err := os.ReadFile(v.remember)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read remembered checkpoint: %w", err)
	}
	if keys == nil {
		return nil, usagef("name the keys the checkpoint was verified with: --vkeys FILE", "--remember needs --vkeys for this source")
	}
	cp, err := keys.OpenCheckpoint(b)
	if err != nil {
		return nil, failedError{hintedError{fmt.Errorf("the remembered checkpoint: %w", err), "it is of another log, or its keys were changed: find out which before you remove the file"}}
	}
	return []audit.Checkpoint{cp}, nil
}

// keep writes the checkpoint that was verified for the next time, replacing the older one as a whole.
func (v *verification) keep(note []byte) error {
	if v.remember == "" || len(note) == 0 {
		return nil
	}
	tmp := v.remember + ".tmp"
	if err := os.WriteFile(tmp, note, 0o644); err != nil {
		return fmt.Errorf("remember checkpoint: %w", err)
	}
	if err := os.Rename(tmp, v.remember); err != nil {
		return fmt.Errorf("remember checkpoint: %w", err)
	}
	return nil
}

// readEvidence reads a file. It never returns nil bytes, which would mean "not given".
func readEvidence(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, usagef("check the path", "read: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxEvidence+1))
	if err != nil {
		return nil, usagef("check the path", "read: %w", err)
	}
	if len(b) > maxEvidence {
		return nil, usagef("check the path", "%s is larger than any receipt or result", path)
	}
	return append([]byte{}, b...), nil
}
