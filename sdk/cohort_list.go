package sdk

import (
	"bytes"
	"context"
	"strconv"
	"strings"

	"jali/crypto/cohort"
	jaliv1 "jali/proto/jali/v1"
)

// codesPage is the most that one call lists.
const codesPage = 1000

// selector turns the codes into entries of the published lists. The whole lists are fetched, so that what is asked of them says
// nothing of the selection; their digest must be the one that the question is bound to.
func (c *Client) selector(ctx context.Context, q CohortQuery, offer *jaliv1.CohortServiceQuoteResponse) (*cohort.Selector, error) {
	names := strings.Split(q.By, ",")
	lists, at, entries := make([][]string, len(names)), make([]map[string]int, len(names)), 1
	for i, name := range names {
		list, err := c.published(ctx, q.Dataset, name, offer.GetEntries())
		if err != nil {
			return nil, err
		}
		lists[i], at[i] = list, make(map[string]int, len(list))
		for place, code := range list {
			at[i][code] = place
		}
		entries *= len(list)
	}
	if int64(entries) != offer.GetEntries() || !bytes.Equal(mappingOf(q.By, lists...), offer.GetMapping()) {
		return nil, &GatewayError{Code: "MAPPING", kind: ErrStale, Message: "the published list is not the one that the question is bound to", Hint: "ask again: the catalogue may just have changed"}
	}
	s, err := cohort.NewSelector(entries)
	if err != nil {
		return nil, selectorError(err)
	}
	var unknown []string
	for _, tuple := range q.tuples() {
		entry, ok := entryOf(tuple, lists, at)
		if !ok {
			unknown = append(unknown, strconv.Quote(strings.Join(tuple, ",")))
			continue
		}
		if err := s.Select(entry); err != nil {
			return nil, selectorError(err)
		}
	}
	if len(unknown) > 0 {
		s.Erase()
		more := ""
		if len(unknown) > 5 {
			unknown, more = unknown[:5], " and more"
		}
		return nil, &QueryError{
			Code: "UNKNOWN_CODE", Message: "not on the list of " + q.By + ": " + strings.Join(unknown, ", ") + more,
			Hint: "see the list: jali catalog; this was checked here, the gateway has not seen the codes",
		}
	}
	return s, nil
}

// published fetches the whole code list of table.column; no list is longer than the entries made of it.
func (c *Client) published(ctx context.Context, dataset, name string, most int64) ([]string, error) {
	table, column, _ := strings.Cut(name, ".")
	var list []string
	for int64(len(list)) <= most {
		page, _, err := c.Codes(ctx, CodesQuery{Dataset: dataset, Table: table, Column: column, Offset: len(list), Limit: codesPage})
		if err != nil {
			return nil, err
		}
		for _, code := range page {
			list = append(list, code.Code)
		}
		if len(page) < codesPage {
			break
		}
	}
	return list, nil
}

// entryOf is the place of a tuple among the entries: the codes of the last column follow each other fastest.
func entryOf(tuple []string, lists [][]string, at []map[string]int) (int, bool) {
	if len(tuple) != len(lists) {
		return 0, false
	}
	entry := 0
	for i, code := range tuple {
		place, ok := at[i][code]
		if !ok {
			return 0, false
		}
		entry = entry*len(lists[i]) + place
	}
	return entry, true
}

// tuples are the selected codes, one per column of By.
func (q CohortQuery) tuples() [][]string {
	if len(q.Tuples) > 0 {
		return q.Tuples
	}
	out := make([][]string, len(q.Codes))
	for i, code := range q.Codes {
		out[i] = []string{code}
	}
	return out
}
