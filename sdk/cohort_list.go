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

// selector turns the codes into entries of the published list. The whole list is fetched, so that what is asked of it says
// nothing of the selection; its digest must be the one that the question is bound to.
func (c *Client) selector(ctx context.Context, q CohortQuery, offer *jaliv1.CohortServiceQuoteResponse) (*cohort.Selector, error) {
	table, column, _ := strings.Cut(q.By, ".")
	var list []string
	for int64(len(list)) < offer.GetEntries() {
		page, _, err := c.Codes(ctx, CodesQuery{Dataset: q.Dataset, Table: table, Column: column, Offset: len(list), Limit: codesPage})
		if err != nil {
			return nil, err
		}
		if len(page) == 0 {
			break
		}
		for _, code := range page {
			list = append(list, code.Code)
		}
	}
	if !bytes.Equal(mappingOf(q.By, list), offer.GetMapping()) {
		return nil, &GatewayError{Code: "MAPPING", kind: ErrStale, Message: "the published list is not the one that the question is bound to", Hint: "ask again: the catalogue may just have changed"}
	}
	at := make(map[string]int, len(list))
	for i, code := range list {
		at[code] = i
	}
	s, err := cohort.NewSelector(len(list))
	if err != nil {
		return nil, selectorError(err)
	}
	var unknown []string
	for _, code := range q.Codes {
		i, ok := at[code]
		if !ok {
			unknown = append(unknown, strconv.Quote(code))
			continue
		}
		if err := s.Select(i); err != nil {
			return nil, selectorError(err)
		}
	}
	if len(unknown) > 0 {
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
