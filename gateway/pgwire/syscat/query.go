// Package syscat answers what programs ask of PostgreSQL's system catalogue, from the catalogues that a caller may see.
//
// psql's \d, JDBC's metadata, ODBC's, SQLAlchemy's and R's drivers ask in SQL over pg_catalog and information_schema, each version in its own words. So
// this is a small SQL of its own: SELECT with joins, subqueries, grouping and the operators and functions those programs use, over some sixty relations
// that hold the published catalogue as PostgreSQL would show it, or nothing.
//
// Guaranteed: an answer is a function of [Catalogue] and the text. There are no rows of people here and no way to them: the package imports the
// catalogue alone. Every query ends: text, nesting, steps and rows are bounded. What it does not know, it refuses by name ([Error]); it never guesses.
//
// Not guaranteed: the whole of SQL, or PostgreSQL's coercions in every corner.
package syscat

import (
	"context"
	"fmt"

	pg "github.com/pganalyze/pg_query_go/v6"

	"jali/gateway/catalog"
)

// Catalogue is what there is to tell.
type Catalogue struct {
	// Selected is the dataset that questions are about, shown under Schema. Nil: every one of Open is shown, each as a schema of its own name.
	Selected *catalog.Dataset
	Open     []*catalog.Dataset
	Schema   string

	User, Database, Version string
	Settings                map[string]string
	Backend                 int64 // the number of the session
}

// Answer is a table. Values are nil, int64, float64, bool and string; arrays are strings in PostgreSQL's form.
type Answer struct {
	Columns []Column
	Rows    [][]any
}

// Column is a column of an answer.
type Column struct {
	Name string
	OID  uint32
}

// Error is a refusal, with a SQLSTATE.
type Error struct{ Code, Message, Hint string }

func (e *Error) Error() string { return e.Code + ": " + e.Message }

const hintAsk = "questions about data name tables of the catalogue; of the system catalogue, what psql, JDBC, ODBC, SQLAlchemy and R ask is answered"

func refuse(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), Hint: hintAsk}
}

// maxBytes bounds a text. The parser is C and recurses; its stack holds far more than that.
const maxBytes = 24 << 10

// Query answers one SELECT.
func (c Catalogue) Query(ctx context.Context, sql string) (answer Answer, err error) {
	if err := admit(sql); err != nil {
		return Answer{}, err
	}
	tree, err := pg.Parse(sql)
	if err != nil {
		return Answer{}, refuse("42601", "the statement does not parse")
	}
	if len(tree.Stmts) != 1 || tree.Stmts[0].Stmt.GetSelectStmt() == nil {
		return Answer{}, refuse("0A000", "the system catalogue answers SELECT only")
	}
	e := &engine{Catalogue: c, ctx: ctx}
	// Refusals within expressions are panics of *Error: there are too many places where one can come up to hand each on.
	defer func() {
		switch r := recover().(type) {
		case nil:
		case *Error:
			answer, err = Answer{}, r
		case stopped:
			answer, err = Answer{}, r.error
		default:
			panic(r)
		}
	}()
	t := e.selected(tree.Stmts[0].Stmt.GetSelectStmt(), nil)
	t.sendable()
	return t.answer(), nil
}

// stopped carries the end of the context out of an expression.
type stopped struct{ error }

// engine evaluates one query.
type engine struct {
	Catalogue
	ctx          context.Context
	steps, bytes int
	world        *world
	relations    map[[2]string]table
	patterns     map[string]*pattern
}

// fail refuses from within an expression.
func fail(code, format string, args ...any) { panic(refuse(code, format, args...)) }

// Types of answers.
const (
	oidBool   = 16
	oidInt8   = 20
	oidText   = 25
	oidFloat8 = 701
	oidTexts  = 1009
	oidInt8s  = 1016
)

// answer takes the type of each column from its values.
func (t table) answer() Answer {
	a := Answer{Rows: make([][]any, len(t.rows))}
	for i, name := range t.cols {
		a.Columns = append(a.Columns, Column{Name: name, OID: typeOfColumn(t.rows, i)})
	}
	for i, row := range t.rows {
		a.Rows[i] = make([]any, len(row))
		for j, v := range row {
			switch x := v.(type) {
			case nil:
			case []any:
				a.Rows[i][j] = arrayText(x)
			case int64, bool, float64:
				if a.Columns[j].OID == oidText {
					a.Rows[i][j] = text(x)
				} else {
					a.Rows[i][j] = x
				}
			default:
				a.Rows[i][j] = text(x)
			}
		}
	}
	return a
}

func typeOfColumn(rows [][]any, i int) uint32 {
	found := uint32(0)
	for _, row := range rows {
		var oid uint32
		switch x := row[i].(type) {
		case nil:
			continue
		case bool:
			oid = oidBool
		case int64:
			oid = oidInt8
		case float64:
			oid = oidFloat8
		case []any:
			oid = oidTexts
			if len(x) > 0 {
				if _, ok := x[0].(int64); ok {
					oid = oidInt8s
				}
			}
		default:
			oid = oidText
		}
		if found != 0 && found != oid {
			return oidText
		}
		found = oid
	}
	if found == 0 {
		return oidText
	}
	return found
}
