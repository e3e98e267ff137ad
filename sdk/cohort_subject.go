package sdk

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"

	"jali/crypto/cohort"
	jaliv1 "jali/proto/jali/v1"
)

// CohortStudy is what the gateway tells of a registered study population: how many slots, and which list they follow.
type CohortStudy struct {
	Agreement, Dataset, Study string
	Version, Slots            int64
	Mapping                   [32]byte
}

// CohortStudy asks how a study is registered. It is free.
func (c *Client) CohortStudy(ctx context.Context, agreement, study string) (CohortStudy, error) {
	s, err := retry(ctx, c, func(ctx context.Context) (*jaliv1.Study, error) {
		return c.cohorts.GetStudy(ctx, &jaliv1.GetStudyRequest{Agreement: agreement, Study: study})
	})
	if err != nil {
		return CohortStudy{}, err
	}
	if len(s.GetMapping()) != 32 {
		return CohortStudy{}, &GatewayError{Code: "MAPPING", kind: ErrUnavailable, Message: "the gateway names no list of the study", Hint: "use a client of the gateway's version"}
	}
	return CohortStudy{
		Agreement: s.GetAgreement(), Dataset: s.GetDataset(), Study: s.GetStudy(), Version: s.GetVersion(), Slots: s.GetSlots(), Mapping: [32]byte(s.GetMapping()),
	}, nil
}

// Has reports whether the slots follow this list.
func (s CohortStudy) Has(population []string) bool {
	return s.Slots == int64(len(population)) && bytes.Equal(studyMappingOf(s.Agreement, s.Study, population), s.Mapping[:])
}

// checkSubjects holds the selection of a question about a study together.
func (q CohortQuery) checkSubjects() error {
	invalid := func(message, hint string) error {
		return &QueryError{Code: "INVALID", Message: message, Hint: hint}
	}
	switch {
	case q.By == "":
		return invalid("no table given", "name the table in which the participants have rows (--from)")
	case len(q.Codes) > 0 || len(q.Tuples) > 0:
		return invalid("codes are not selected from a study", "name subjects (--subjects), or leave the study out")
	case q.PerPerson != 0:
		return invalid("a participant is in one slot, so there is no cap on slots", "leave the cap out")
	case q.Group != "":
		return invalid("a question about a study is not grouped", "put the group into the condition, and ask once for each")
	case len(q.Population) == 0:
		return invalid("the list of the study is missing", "name your copy of the list that was registered (--population)")
	case len(q.Subjects) == 0:
		return invalid("no subjects given", "name the participants to select (--subjects)")
	}
	return nil
}

// selected turns the secret into entries.
func (c *Client) selected(ctx context.Context, q CohortQuery, offer *jaliv1.CohortServiceQuoteResponse) (*cohort.Selector, error) {
	if q.Study != "" {
		return q.subjectSelector(offer)
	}
	return c.selector(ctx, q, offer)
}

// subjectSelector finds the subjects among the slots. The list is the caller's own copy, so that nothing is asked of the gateway that tells
// of the selection; its digest must be the one that the question is bound to. Errors name places, not persons.
func (q CohortQuery) subjectSelector(offer *jaliv1.CohortServiceQuoteResponse) (*cohort.Selector, error) {
	if int64(len(q.Population)) != offer.GetEntries() || !bytes.Equal(studyMappingOf(q.Agreement, q.Study, q.Population), offer.GetMapping()) {
		return nil, &GatewayError{
			Code: "MAPPING", kind: ErrStale,
			Message: fmt.Sprintf("the list of %d persons is not the one registered for study %s, which has %d", len(q.Population), q.Study, offer.GetEntries()),
			Hint:    "take the list as it was registered last, in its order (jali cohort slots); nothing of it was sent",
		}
	}
	at := make(map[string]int, len(q.Population))
	for slot, id := range q.Population {
		at[id] = slot
	}
	s, err := cohort.NewSelector(len(q.Population))
	if err != nil {
		return nil, selectorError(err)
	}
	refuse := func(format string, args ...any) (*cohort.Selector, error) {
		s.Erase()
		return nil, &QueryError{
			Code: "UNKNOWN_SUBJECT", Message: fmt.Sprintf(format, args...),
			Hint: "select participants of the study, each once; this was checked here, the gateway has not seen the subjects",
		}
	}
	chosen := make([]int, 0, len(q.Subjects))
	for i, id := range q.Subjects {
		slot, ok := at[id]
		if !ok {
			return refuse("subject %d is not on the list of study %s", i+1, q.Study)
		}
		chosen = append(chosen, slot)
		if err := s.Select(slot); err != nil {
			return refuse("subject %d cannot be selected", i+1)
		}
	}
	if slices.Sort(chosen); len(slices.Compact(chosen)) != len(q.Subjects) {
		return refuse("a subject is named twice")
	}
	return s, nil
}

// studyMappingOf is the digest of a study's list: docs/encrypted-queries.md, "Studies".
func studyMappingOf(agreement, study string, population []string) []byte {
	h := sha256.New()
	for _, part := range slices.Concat([]string{"jali cohort subjects 1", agreement, study}, population) {
		var n [8]byte
		for i := range n {
			n[i] = byte(len(part) >> (8 * i))
		}
		h.Write(n[:])
		h.Write([]byte(part))
	}
	return h.Sum(nil)
}
