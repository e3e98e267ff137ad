package engine

import (
	"context"
	"fmt"
	"strings"

	"jali/gateway/catalog"
)

// What one row cannot show is checked on the stored table, where it is cheap: rows are in person order and columns narrow.
// Only when a check fails is it repeated on the staged rows, which know their lines.

// constraint holds of a table if no group of rows with equal Columns satisfies Broken.
type constraint struct {
	columns []string // SQL identifiers; the person is _p
	broken  string   // SQL over the group
	rule    string
}

// constraintsOf lists what the catalogue promises about the rows of a table taken together.
func constraintsOf(t *catalog.Table) []constraint {
	var all []constraint
	for _, u := range t.Unique {
		cols := make([]string, len(u))
		for i, name := range u {
			cols[i] = quote(name)
			if !t.Public && name == t.PersonKey {
				cols[i] = personColumn
			}
		}
		all = append(all, constraint{cols, "count(*) > 1", "repeats the unique " + strings.Join(u, ", ") + " of another row"})
	}
	if t.Public {
		return all
	}
	person := []string{personColumn}
	all = append(all, constraint{
		person, fmt.Sprintf("count(*) > %d", t.RowsPerPerson),
		fmt.Sprintf("belongs to a person with more than %d rows (rows_per_person)", t.RowsPerPerson),
	})
	for _, c := range storedColumns(t) {
		if !c.PerPerson {
			continue
		}
		q := quote(c.Name)
		all = append(all, constraint{
			person, fmt.Sprintf("min(%s) IS DISTINCT FROM max(%s) OR count(%s) NOT IN (0, count(*))", q, q, q),
			"column " + c.Name + " is not the same in every row of the person (per_person)",
		})
	}
	return all
}

// verify checks a stored table. from is the staged rows with _p, for naming lines.
func verify(ctx context.Context, c *connection, t *catalog.Table, from string, files []string, bad *DataError) error {
	for _, k := range constraintsOf(t) {
		cols := strings.Join(k.columns, ", ")
		n, err := count(ctx, c, "SELECT count(*) FROM (SELECT 1 FROM "+quote(t.Name)+" GROUP BY "+cols+" HAVING "+k.broken+")")
		if err != nil {
			return err
		}
		if n == 0 {
			continue
		}
		err = nameLines(ctx, c, t, "SELECT max("+placeColumn+") AS at FROM "+from+" GROUP BY "+cols+" HAVING "+k.broken, k.rule, n, files, bad)
		if err != nil {
			return err
		}
	}
	return nil
}

// nameLines reports the first rows of a query for places, of n in all.
func nameLines(ctx context.Context, c *connection, t *catalog.Table, sql, rule string, n int64, files []string, bad *DataError) error {
	rows, err := c.query(ctx, fmt.Sprintf("SELECT place FROM (%s) q(place) ORDER BY place LIMIT %d", sql, maxBadRows))
	if err != nil {
		return err
	}
	defer rows.close()
	places, err := rows.int64s(1)
	if err != nil {
		return err
	}
	for _, p := range places {
		file, line := place(files, p[0])
		bad.add(BadRow{File: file, Line: line, Rule: rule})
	}
	bad.More += n - int64(len(places))
	return nil
}
