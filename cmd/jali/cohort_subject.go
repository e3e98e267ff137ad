package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"jali/sdk"
)

// maxSubjects is what is read of a list of persons: as much as a gateway registers.
const maxSubjects = 30 << 20

// subjectFlags say which participants of a study are selected.
type subjectFlags struct{ study, from, population, subjects string }

func (s *subjectFlags) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.study, "study", "", "`id` of a registered study: select participants of it instead of codes")
	f.StringVar(&s.from, "from", "", "`table` in which the participants have rows, with --study")
	f.StringVar(&s.population, "population", "", "your copy of the study's registered list, a `FILE` with one person id per line, with --study; it is not sent")
	f.StringVar(&s.subjects, "subjects", "", "the secret participants: a `FILE` with one person id per line, or -, with --study")
}

// used reports whether the question is about a study.
func (s *subjectFlags) used() bool { return *s != subjectFlags{} }

// read fills the question.
func (s *subjectFlags) read(a *app, codes string, q *sdk.CohortQuery) error {
	const hint = "jali cohort count --study S --from TABLE --population LIST --subjects FILE --error E"
	switch {
	case s.study == "" || s.from == "" || s.population == "" || s.subjects == "":
		return usagef(hint, "a question about a study takes --study, --from, --population and --subjects")
	case codes != "" || q.By != "" || q.Group != "":
		return usagef(hint, "a question about a study takes no --by, --codes or --group-by")
	case s.population == "-":
		return usagef(hint, "the list of the study is read from a file")
	}
	var err error
	q.Study, q.By = s.study, s.from
	if q.Population, err = a.readPersons("population", s.population); err != nil {
		return err
	}
	q.Subjects, err = a.readPersons("subjects", s.subjects)
	return err
}

// readPersons reads one person id per line, as a gateway reads the list that it registers. Its errors name lines, not persons.
func (a *app) readPersons(flag, path string) ([]string, error) {
	hint := "--" + flag + " FILE with one person id per line, as in the registered list"
	in := a.stdin
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return nil, usagef(hint, "read %s: %w", flag, err)
		}
		defer file.Close()
		in = file
	}
	b, err := io.ReadAll(io.LimitReader(in, maxSubjects+1))
	switch {
	case err != nil:
		return nil, usagef(hint, "read %s: %w", flag, err)
	case len(b) > maxSubjects:
		return nil, usagef(hint, "the list of %s is longer than %d bytes", flag, maxSubjects)
	}
	text := strings.TrimSuffix(string(withoutBOM(b)), "\n")
	if text == "" {
		return nil, usagef(hint, "the list of %s is empty", flag)
	}
	var out []string
	seen := map[string]int{}
	for id := range strings.SplitSeq(text, "\n") {
		id = strings.TrimSuffix(id, "\r")
		line := len(out) + 1
		if id == "" || strings.TrimSpace(id) != id {
			return nil, usagef(hint, "line %d of the %s is empty or has spaces around it", line, flag)
		}
		if first, twice := seen[id]; twice {
			return nil, usagef(hint, "line %d of the %s repeats line %d", line, flag, first)
		}
		seen[id], out = line, append(out, id)
	}
	return out, nil
}

// cohortSlots tells what is registered, and compares a list with it.
func (a *app) cohortSlots() *cobra.Command {
	var (
		ask               askFlags
		form              format
		study, population string
	)
	cmd := &cobra.Command{
		Use:   "slots",
		Short: "Tell how many slots a study has, and whether your list is the registered one",
		Long: `Tell how many slots the study population registered under the agreement has, and the digest of its list. The gateway does not tell the
list: whoever selects from it has it. With --population your copy is compared here; it is not sent. Free.`,
		Example: "  jali cohort slots --study trial-7 --population participants.txt",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if study == "" {
				return usagef("jali cohort slots --study S", "no --study given")
			}
			var list []string
			if population != "" {
				var err error
				if list, err = a.readPersons("population", population); err != nil {
					return err
				}
			}
			ctx, stop, client, p, err := a.dial(cmd.Context())
			if err != nil {
				return err
			}
			defer stop()
			s, err := client.CohortStudy(ctx, first(ask.agreement, p.Agreement), study)
			if err != nil {
				return err
			}
			if list != nil && !s.Has(list) {
				return usagef("take the list as it was registered last, in its order", "your list of %d persons is not the registered one, which has %d slots", len(list), s.Slots)
			}
			return a.showSlots(form.value, s, list != nil)
		},
	}
	cmd.Flags().StringVar(&ask.agreement, "agreement", "", "`id` of the agreement")
	cmd.Flags().StringVar(&study, "study", "", "`id` of the study")
	cmd.Flags().StringVar(&population, "population", "", "your copy of the list, a `FILE` with one person id per line; it is not sent")
	form.register(cmd, formatTable, formatJSON)
	return cmd
}

func (a *app) showSlots(form string, s sdk.CohortStudy, compared bool) error {
	list := fmt.Sprintf("%x", s.Mapping)
	if form == formatJSON {
		return a.printJSON(struct {
			Study   string `json:"study"`
			Dataset string `json:"dataset"`
			Version int64  `json:"version"`
			Slots   int64  `json:"slots"`
			List    string `json:"list"`
			Matches bool   `json:"matches"`
		}{s.Study, s.Dataset, s.Version, s.Slots, list, compared})
	}
	verdict := "not compared: give your copy with --population"
	if compared {
		verdict = "your copy is this list"
	}
	_, err := fmt.Fprintf(a.stdout, "study    %s, version %d, of data set %s\nslots    %d\nlist     %s (%s)\n", s.Study, s.Version, s.Dataset, s.Slots, list, verdict)
	return err
}
