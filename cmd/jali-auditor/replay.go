package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"jali/audit"
	"jali/policy"
	"jali/sdk"
)

func (a *app) replayCommand() *cobra.Command {
	var form format
	var bundles string
	cmd := &cobra.Command{
		Use:   "replay",
		Short: "Decide every recorded question again and report what differs",
		Long: `Decide every recorded question again, under the policy bundle that its entry names, and report what differs.

For each INTENT the recorded policy input is checked against the header that commits to it, its facts (agreement, purpose, data
set, population, price, time) against those in the header, and the bundle with the digest on record must allow it. Bundles come from --bundles
DIR (files named DIGEST.tar.gz), from the state directory, or from the gateway; their SHA-256 is what identifies them. What cannot
be repeated, because its input or its bundle is not to be had, is counted and said. Any difference is exit status 6.`,
		Example: `  jali-auditor replay --profile regulator
  jali-auditor replay --export ./export --bundles ./bundles`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := form.check(formatTable, formatJSON); err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), a.from.timeout)
			defer cancel()
			rec, err := a.openRecord(ctx, true)
			if err != nil {
				return err
			}
			defer rec.close()
			if bundles != "" {
				rec.bundle = bundlesIn(bundles)
			}
			r, err := replay(ctx, rec)
			if err != nil {
				return err
			}
			if err := a.printReplay(r, form); err != nil {
				return err
			}
			if n := len(r.Differences); n > 0 {
				return failedError{fmt.Errorf("%w: %d decisions differ", errDecision, n)}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&bundles, "bundles", "", "`directory` with policy bundles, DIGEST.tar.gz")
	form.register(cmd, formatTable, formatJSON)
	return cmd
}

// errDecision: a decision on record that its own policy does not give.
var errDecision = errors.New("not what the policy decides")

// decisions is what replay found.
type decisions struct {
	OK          bool              `json:"ok"`
	Source      string            `json:"source"`
	Intents     uint64            `json:"intents"`
	Repeated    uint64            `json:"repeated"`
	Withheld    uint64            `json:"input_withheld"`
	NoBundle    map[string]uint64 `json:"bundle_missing"` // digest -> decisions under it
	Refused     uint64            `json:"refusals"`
	Differences []decided         `json:"differences"`
	Checked     []string          `json:"checked"`
	NotChecked  []string          `json:"not_checked"`
	CheckedAt   time.Time         `json:"checked_at"`
}

// decided is one decision that differs.
type decided struct {
	Entry  uint64   `json:"entry"`
	Policy string   `json:"policy"`
	What   string   `json:"what"`
	Why    []string `json:"reasons,omitempty"` // codes that the policy gives
}

// replay decides again what a record says was allowed.
func replay(ctx context.Context, rec *record) (*decisions, error) {
	out := &decisions{Source: rec.name, NoBundle: map[string]uint64{}, Differences: []decided{}, CheckedAt: time.Now().UTC()}
	under := map[string]*policy.Recorded{}
	err := rec.walk(ctx, 0, func(e audit.Entry, disclosed []string) error {
		switch e.Kind {
		case audit.Refused:
			out.Refused++
			return nil
		case audit.Intent:
			out.Intents++
		default:
			return nil
		}
		input, found, err := inputOf(e, disclosed)
		if err != nil {
			return err
		}
		if !found {
			out.Withheld++
			return nil
		}
		digest := e.Text("pol")
		bundle, tried := under[digest]
		if !tried {
			if bundle, err = recorded(ctx, rec, digest); err != nil {
				return err
			}
			under[digest] = bundle
		}
		if bundle == nil {
			out.NoBundle[digest]++
			return nil
		}
		out.Repeated++
		out.Differences = append(out.Differences, repeat(ctx, e, bundle, input)...)
		return ctx.Err()
	})
	if err != nil {
		return nil, err
	}
	out.OK = len(out.Differences) == 0
	out.Checked = []string{rec.signature(), fmt.Sprintf("%d of %d decisions to allow repeated, each under the policy bundle with the digest on record (%d in all)", out.Repeated, out.Intents, len(under)-len(out.NoBundle))}
	if out.Withheld > 0 {
		out.NotChecked = append(out.NotChecked, fmt.Sprintf("%d decisions whose input is erased or withheld from this reader", out.Withheld))
	}
	for digest, n := range out.NoBundle {
		out.NotChecked = append(out.NotChecked, fmt.Sprintf("%d decisions under bundle %s, which is not to be had here (--bundles DIR)", n, digest))
	}
	if out.Refused > 0 {
		out.NotChecked = append(out.NotChecked, fmt.Sprintf("%d refusals: they touched no data, and the record holds their reason, not their input", out.Refused))
	}
	return out, nil
}

// recorded finds and compiles a bundle; nil if it is not to be had. One with another digest than its name is a finding.
func recorded(ctx context.Context, rec *record, digest string) (*policy.Recorded, error) {
	sum, err := base64.RawURLEncoding.DecodeString(digest)
	if err != nil || len(sum) != 32 || rec.bundle == nil {
		return nil, nil
	}
	raw, err := rec.bundle(ctx, digest)
	var unknown *sdk.QueryError
	if errors.Is(err, fs.ErrNotExist) || errors.As(err, &unknown) && unknown.Code == "NOT_FOUND" {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	b, err := policy.ReadRecorded(raw, [32]byte(sum))
	if err != nil {
		return nil, failedError{fmt.Errorf("bundle %s: %w", digest, err)}
	}
	return b, nil
}

// inputOf opens the recorded input. One that does not match its header is a finding.
func inputOf(e audit.Entry, disclosed []string) (input string, found bool, err error) {
	for _, d := range disclosed {
		det, err := audit.VerifyDetail(e, d)
		if err != nil {
			return "", false, err
		}
		if det.Name == "input" {
			input, found = det.Value, true
		}
	}
	return input, found, nil
}

// maxDelay is how much later than its input's time a charge may be: planning, a grant's life, and a queue.
const maxDelay = 3 * time.Minute

// repeat decides one question again. The input must be the one that the header charges for, or another question was allowed.
func repeat(ctx context.Context, e audit.Entry, bundle *policy.Recorded, input string) []decided {
	differs := func(what string, reasons ...policy.Reason) []decided {
		d := decided{Entry: e.Seq, Policy: e.Text("pol"), What: what}
		for _, r := range reasons {
			d.Why = append(d.Why, r.Code)
		}
		return []decided{d}
	}
	var in policy.Input
	if err := json.Unmarshal([]byte(input), &in); err != nil {
		return differs("the recorded input is not a policy input")
	}
	for _, f := range []struct{ name, header, input string }{
		{"agreement", e.Text("ag"), in.Agreement.ID},
		{"version of the agreement", strconv.FormatInt(e.Int("agv"), 10), strconv.FormatInt(in.Agreement.Version, 10)},
		{"purpose", e.Text("pu"), in.Purpose},
		{"data set", e.Text("ds"), in.Query.Dataset},
		{"population", e.Text("pop"), in.Query.Population},
		{"class", e.Text("cls"), in.Query.Class},
		{"price", strconv.FormatInt(e.Part("cost", "r"), 10), in.Price.NanoRho},
		{"delta of the price", strconv.FormatInt(e.Part("cost", "d"), 10), in.Price.DeltaE18},
	} {
		if f.header != f.input {
			return differs("the decision was made for another " + f.name + " than the one charged")
		}
	}
	if late := time.UnixMicro(e.Time).Sub(time.Unix(in.Now, 0)); late > maxDelay || late < -maxDelay {
		return differs("the decision was made for another time than that of the charge")
	}
	v, err := bundle.Replay(ctx, []byte(input))
	switch {
	case err != nil:
		return differs("the policy does not decide this input: " + err.Error())
	case !v.Allowed:
		return differs("on record as allowed, the policy says no", v.Reasons...)
	}
	return nil
}

func (a *app) printReplay(r *decisions, form format) error {
	if form.value == formatJSON {
		return a.printJSON(r)
	}
	a.printChecks(r.Checked, r.NotChecked, r.CheckedAt)
	for _, d := range r.Differences {
		why := ""
		if len(d.Why) > 0 {
			why = " (" + strings.Join(d.Why, ", ") + ")"
		}
		fmt.Fprintf(a.stdout, "DIFFERENCE   %s\n", printable(fmt.Sprintf("entry %d, bundle %s: %s%s", d.Entry, d.Policy, d.What, why)))
	}
	return nil
}
