package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"jali/sdk"
)

// maxSQL is what the gateway takes in a request; its own limit on SQL text is lower and answered with advice.
const maxSQL = 131_072

// linkFlags say which gateway to talk to, and as whom.
type linkFlags struct {
	profile, endpoint, ca, cert, key, token, vkeys, seal string
	timeout                                              time.Duration
}

func (l *linkFlags) register(root *cobra.Command) {
	f := root.PersistentFlags()
	f.StringVar(&l.profile, "profile", "", "`name` of a profile, or path of a profile.yaml or its directory")
	f.StringVar(&l.endpoint, "endpoint", "", "gateway `address`, https://host:port")
	f.StringVar(&l.ca, "ca", "", "`file` with the CA certificate of the gateway")
	f.StringVar(&l.cert, "cert", "", "`file` with the client certificate")
	f.StringVar(&l.key, "key", "", "`file` with the client certificate's key")
	f.StringVar(&l.token, "token-file", "", "`file` with the token of jali login, instead of or besides a certificate")
	f.StringVar(&l.seal, "seal", "", "`file` with the seal policy: witnesses that must have cosigned for a receipt to count as sealed")
	f.StringVar(&l.vkeys, "vkeys", "", "`file` with the log's verifier keys, one per line")
	f.DurationVar(&l.timeout, "timeout", 60*time.Second, "give up after this `long`")
	mustComplete(root, "profile", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		names, err := sdk.ProfileNames()
		if err != nil {
			return nil, cobra.ShellCompDirectiveDefault
		}
		return names, cobra.ShellCompDirectiveDefault
	})
}

// settings merges profile and flags; flags win. A missing profile is no error while flags may say everything.
func (l linkFlags) settings() (sdk.Profile, error) {
	p, err := sdk.LoadProfile(l.profile)
	if err != nil && !errors.Is(err, sdk.ErrNoProfile) {
		return p, err
	}
	for _, set := range []struct {
		field *string
		flag  string
	}{{&p.Endpoint, l.endpoint}, {&p.CA, l.ca}, {&p.Cert, l.cert}, {&p.Key, l.key}, {&p.TokenFile, l.token}, {&p.VKeys, l.vkeys}, {&p.Seal, l.seal}} {
		if set.flag != "" {
			*set.field = set.flag
		}
	}
	if p.Endpoint == "" && errors.Is(err, sdk.ErrNoProfile) {
		return p, usagef("pass --profile DIR (what `jali-gateway client new` wrote) or --endpoint --ca --cert --key --vkeys; see docs/cli.md", "no gateway named: there is no profile and no --endpoint")
	}
	return p, nil
}

// dial connects with the settings and bounds the command's time.
func (a *app) dial(ctx context.Context) (context.Context, context.CancelFunc, *sdk.Client, sdk.Profile, error) {
	fail := func(err error) (context.Context, context.CancelFunc, *sdk.Client, sdk.Profile, error) {
		return ctx, func() {}, nil, sdk.Profile{}, err
	}
	if a.link.timeout <= 0 {
		return fail(usagef("e.g. --timeout 60s", "--timeout must be more than zero"))
	}
	p, err := a.link.settings()
	if err != nil {
		return fail(err)
	}
	config := p.Config()
	config.Timeout, config.Passphrase = a.link.timeout, os.Getenv("JALI_PASSPHRASE")
	client, err := sdk.Dial(ctx, config)
	if err != nil {
		return fail(err)
	}
	ctx, cancel := context.WithTimeout(ctx, a.link.timeout)
	return ctx, func() { cancel(); client.Close() }, client, p, nil
}

// askFlags say what to ask, under which agreement, how accurately.
type askFlags struct {
	agreement, purpose, dataset, accuracy, file string
}

func (f *askFlags) register(cmd *cobra.Command, a *app) {
	f.registerTerms(cmd, a)
	cmd.Flags().StringVarP(&f.file, "file", "f", "", "read the SQL from a `file`")
}

// registerTerms registers all but where SQL comes from.
func (f *askFlags) registerTerms(cmd *cobra.Command, a *app) {
	s := cmd.Flags()
	s.StringVar(&f.agreement, "agreement", "", "`id` of the agreement to ask under")
	s.StringVar(&f.purpose, "purpose", "", "purpose `code` (GA4GH DUO or EHDS), e.g. DUO:0000042")
	s.StringVar(&f.dataset, "dataset", "", "data set `id`; may be left out when the agreement has only one")
	s.StringVar(&f.accuracy, "error", "", "half-width at 95 %: `E`, or E,name=E,... for single outputs; rows or persons for counts, their own unit for sums; AVG, VAR and STDDEV buy their parts at that many persons")
	mustComplete(cmd, "dataset", a.completeDatasets)
	mustComplete(cmd, "purpose", cobra.FixedCompletions(purposes, cobra.ShellCompDirectiveNoFileComp))
}

// purposes are the GA4GH Data Use Ontology terms agreements mostly use, for completion.
var purposes = []string{
	"DUO:0000004\tno restriction", "DUO:0000006\thealth, medical, biomedical research", "DUO:0000007\tdisease specific research",
	"DUO:0000011\tpopulation origins or ancestry research", "DUO:0000042\tgeneral research use",
}

// question assembles the query from flags, profile and arguments.
func (f askFlags) question(a *app, p sdk.Profile) (sdk.Query, error) {
	q := sdk.Query{
		Agreement: first(f.agreement, p.Agreement), Purpose: first(f.purpose, p.Purpose), Dataset: first(f.dataset, p.Dataset), SQL: a.sql,
	}
	var err error
	q.Error, q.ErrorFor, err = parseAccuracy(f.accuracy)
	return q, err
}

// readSQL takes the SQL from the argument, the file or standard input, whichever one is named.
func (f askFlags) readSQL(a *app, args []string) error {
	const hint = `write the SQL as one quoted argument, or -f FILE, or - to read standard input`
	var text []byte
	var err error
	switch {
	case f.file != "" && len(args) > 0:
		return usagef(hint, "SQL is given twice: as an argument and with --file")
	case f.file != "" && f.file != "-":
		file, openErr := os.Open(f.file)
		if openErr != nil {
			return usagef(hint, "read SQL: %w", openErr)
		}
		defer file.Close()
		text, err = io.ReadAll(io.LimitReader(file, maxSQL+1))
	case f.file == "-" || len(args) == 1 && args[0] == "-":
		text, err = io.ReadAll(io.LimitReader(a.stdin, maxSQL+1))
	case len(args) == 1:
		text = []byte(args[0])
	default:
		return usagef(hint, "no SQL given")
	}
	if err != nil {
		return usagef(hint, "read SQL: %w", err)
	}
	if len(text) > maxSQL {
		return usagef("a question is at most 8,192 bytes; put long code lists into the catalogue", "the SQL is longer than %d bytes", maxSQL)
	}
	if a.sql = string(withoutBOM(text)); strings.TrimSpace(a.sql) == "" {
		return usagef(hint, "the SQL is empty")
	}
	return nil
}

// withoutBOM drops the mark that editors on Windows put before the first character of a file.
func withoutBOM(text []byte) []byte { return bytes.TrimPrefix(text, []byte("\ufeff")) }

// parseAccuracy reads "E" or "E,name=E,...". The numbers themselves are the gateway's to judge.
func parseAccuracy(s string) (plain string, named map[string]string, err error) {
	const hint = `e.g. --error 50, or --error 50,total=1000 for an output called total`
	if strings.TrimSpace(s) == "" {
		return "", nil, usagef("say how accurate the answer must be: the half-width at 95 %, "+hint+"; smaller costs more", "no --error given")
	}
	for part := range strings.SplitSeq(s, ",") {
		name, value, isNamed := strings.Cut(part, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		switch {
		case !isNamed && plain == "" && name != "":
			plain = name
		case isNamed && name != "" && value != "":
			if named == nil {
				named = map[string]string{}
			}
			if _, twice := named[name]; twice {
				return "", nil, usagef(hint, "--error names %q twice", name)
			}
			named[name] = value
		default:
			return "", nil, usagef(hint, "--error %q is not of the form E or E,name=E,...", s)
		}
	}
	if plain == "" {
		return "", nil, usagef("give the accuracy of the other outputs first, "+hint, "--error has no plain number")
	}
	return plain, named, nil
}

// Output formats.
const (
	formatTable = "table"
	formatCSV   = "csv"
	formatJSON  = "json"
)

// format is a flag that takes only what the command can print.
type format struct {
	value   string
	allowed []string
}

func (f *format) register(cmd *cobra.Command, allowed ...string) {
	f.value, f.allowed = allowed[0], allowed
	cmd.Flags().Var(f, "format", "output `format`: "+strings.Join(allowed, ", "))
	mustComplete(cmd, "format", cobra.FixedCompletions(allowed, cobra.ShellCompDirectiveNoFileComp))
}

func (f *format) String() string { return f.value }
func (f *format) Type() string   { return "format" }
func (f *format) Set(s string) error {
	if !slices.Contains(f.allowed, s) {
		return fmt.Errorf("use one of %s", strings.Join(f.allowed, ", "))
	}
	f.value = s
	return nil
}

// printJSON writes one object on one line.
func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(a.stdout)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("write json: %w", err)
	}
	return nil
}

func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// mustComplete registers a completion; it fails only for a flag that does not exist.
func mustComplete(cmd *cobra.Command, flag string, f cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, f); err != nil {
		panic(err)
	}
}
