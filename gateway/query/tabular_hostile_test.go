package query

import (
	"errors"
	"fmt"
	"testing"

	"jali/gateway/catalog"
)

// Whatever column or band stands in whatever argument, a table function is planned or refused: a compiler that panics with anything
// but a refusal would end in an internal error, and tell nobody why.
func TestTableFunctionsOfEveryColumnReturn(t *testing.T) {
	d := scheme(t)
	for _, table := range d.Tables {
		for _, col := range table.Columns {
			names := []string{col.Name}
			for _, b := range col.Bands {
				names = append(names, b.Name)
			}
			for _, name := range names {
				for _, form := range []string{
					"logistic_regression(outcome => %[1]s IS NULL, terms => (square(%[1]s)), of => %[2]s)",
					"logistic_regression(outcome => %[1]s IS NULL, terms => (log(%[1]s)), of => %[2]s)",
					"logistic_regression(outcome => %[1]s IS NULL, terms => (category(%[1]s), %[1]s, ref(%[1]s, 'x')), of => %[2]s)",
					"quantile(value => %[1]s, at => (0.5), of => %[2]s)",
					"histogram(value => %[1]s, by => %[1]s, of => %[2]s)",
					"correlation(x => %[1]s, y => %[1]s, of => %[2]s)",
					"kaplan_meier(time => %[1]s, event => %[1]s IS NULL, of => %[2]s)",
					"hazard_ratio(time => %[1]s, event => %[1]s IS NULL, terms => (square(%[1]s)), of => %[2]s)",
					"histogram(value => CASE WHEN %[1]s IS NULL THEN 1 ELSE 2 END, of => %[2]s)",
					"linear_regression(value => BIN(%[1]s, 0, 10, 1), terms => (square(%[1]s IS NULL), log(CASE WHEN %[1]s IS NULL THEN 'a' END)), of => %[2]s)",
					"chi_square(row_group => BIN(%[1]s, 0, 10, 1), column_group => %[1]s, of => %[2]s)",
				} {
					sql := "SELECT * FROM " + fmt.Sprintf(form, name, table.Name)
					var refusal *Error
					if err := outcome(d, sql); err != nil && !errors.As(err, &refusal) {
						t.Errorf("%s: %v", sql, err)
					}
				}
			}
		}
	}
}

func outcome(d *catalog.Dataset, sql string) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	_, err = Compile(d, sql)
	return err
}
