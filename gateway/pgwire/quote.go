package pgwire

import (
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"jali/gateway"
	"jali/gateway/budget"
)

// quoteColumns are those of a quote under jali.quote = on; planColumns those of EXPLAIN.
var (
	quoteColumns = []column{{"item", pgtype.TextOID}, {"value", pgtype.TextOID}}
	planColumns  = []column{{"QUERY PLAN", pgtype.TextOID}}
)

// quotedRows tells an offer, an item a row.
func quotedRows(o gateway.Offer) result {
	r := result{columns: quoteColumns}
	add := func(item, value string) {
		if value != "" {
			r.rows = append(r.rows, []any{item, value})
		}
	}
	allowed := "no"
	if o.Allowed {
		allowed = "yes"
	}
	add("allowed", allowed)
	for _, reason := range o.Reasons {
		add("reason", reason.Code+": "+reason.Text)
		add("hint", reason.Hint)
	}
	add("price", units(o.Price.Rho))
	for _, e := range o.Error95 {
		if len(e.Sizes) == 0 {
			add("half-width of "+e.Name, "± "+float(e.Value))
		}
		for _, size := range e.Sizes {
			add("half-width of "+e.Name, "± "+float(size.Value)+" at "+strconv.FormatInt(size.N, 10))
		}
	}
	add("left in the agreement", strconv.FormatInt(int64(o.Budget.Agreement), 10)+" PU")
	add("population", o.Population)
	add("error that fits", o.Fits)
	add("protection", o.Label)
	add("mechanism", o.Plan.Mechanism)
	add("dataset", o.Plan.Dataset+" "+o.Plan.Version)
	add("cells", strconv.FormatInt(o.Plan.Cells, 10))
	if o.Plan.HideBelow > 0 {
		add("groups hidden below", strconv.FormatInt(o.Plan.HideBelow, 10))
	}
	for _, w := range o.Warnings {
		add("warning", w)
	}
	add("quote id", o.ID)
	if !o.Expires.IsZero() {
		add("expires", o.Expires.UTC().Format(time.RFC3339))
	}
	r.tag = "SELECT " + strconv.Itoa(len(r.rows))
	return r
}

// explained is an offer as the lines of EXPLAIN.
func explained(o gateway.Offer) result {
	r := result{columns: planColumns, tag: "EXPLAIN"}
	for _, row := range quotedRows(o).rows {
		r.rows = append(r.rows, []any{row[0].(string) + ": " + row[1].(string)})
	}
	return r
}

// units writes a price in whole privacy units, rounded up.
func units(r budget.NanoRho) string { return strconv.FormatInt(int64(r.PU()), 10) + " PU" }

func float(x float64) string { return strconv.FormatFloat(x, 'g', 6, 64) }
