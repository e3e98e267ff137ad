package sdk

import (
	"context"
	"math"

	jaliv1 "jali/proto/jali/v1"
)

// Dataset describes what exists and what may be asked of it. It holds no data.
type Dataset struct {
	ID          string `json:"id"`
	Title       string `json:"title"`
	Description string `json:"description,omitempty"`
	Source      string `json:"source,omitempty"`
	// Population is the universe of persons it is about; several data sets may share one, and its budget.
	Population string `json:"population"`
	Mode       string `json:"mode"`
	Class      string `json:"class"`
	Level      int64  `json:"level"`
	// Version is the data version that answers; empty when none is loaded.
	Version string  `json:"version"`
	Tables  []Table `json:"tables"`
	Joins   []Join  `json:"joins,omitempty"`
}

// Join is a declared join of two columns, each "table.column".
type Join struct {
	Left  string `json:"left"`
	Right string `json:"right"`
}

// Table is one table of a data set.
type Table struct {
	Name            string  `json:"name"`
	Description     string  `json:"description,omitempty"`
	Public          bool    `json:"public"`
	PersonKey       string  `json:"person_key,omitempty"`
	RowsPerPerson   int64   `json:"rows_per_person,omitempty"`
	GroupsPerPerson int64   `json:"groups_per_person,omitempty"`
	RowsPerGroup    int64   `json:"rows_per_group,omitempty"`
	Columns         []Field `json:"columns"`
}

// Field is one column of a table.
type Field struct {
	Name        string   `json:"name"`
	Description string   `json:"description,omitempty"`
	Type        string   `json:"type"`
	Unit        string   `json:"unit,omitempty"`
	Roles       []string `json:"roles"`
	Nullable    bool     `json:"nullable"`
	Sensitivity string   `json:"sensitivity"`
	// CodeCount is the size of the public code list; 0: none.
	CodeCount int64 `json:"code_count,omitempty"`
	// PrivateKeys: GROUP BY takes its keys from the data, behind a threshold.
	PrivateKeys bool `json:"private_keys,omitempty"`
	// Lo and Hi bound the values; empty: none.
	Lo    string `json:"lo,omitempty"`
	Hi    string `json:"hi,omitempty"`
	Bands []Band `json:"bands,omitempty"`
	// Sample holds the first few codes.
	Sample []Code `json:"sample,omitempty"`
}

// Band is a declared coarsening of a column, used in SQL like a column.
type Band struct {
	Name   string   `json:"name"`
	Labels []string `json:"labels"`
}

// Code is one entry of a code list.
type Code struct {
	Code  string `json:"code"`
	Label string `json:"label,omitempty"`
}

// Table is the named table or nil.
func (d *Dataset) Table(name string) *Table {
	for i := range d.Tables {
		if d.Tables[i].Name == name {
			return &d.Tables[i]
		}
	}
	return nil
}

// Column is the named column or nil.
func (t *Table) Column(name string) *Field {
	for i := range t.Columns {
		if t.Columns[i].Name == name {
			return &t.Columns[i]
		}
	}
	return nil
}

// Datasets lists what the caller may see.
func (c *Client) Datasets(ctx context.Context) ([]Dataset, error) {
	list, err := retry(ctx, c, func(ctx context.Context) (*jaliv1.ListDatasetsResponse, error) {
		return c.catalog.ListDatasets(ctx, &jaliv1.ListDatasetsRequest{})
	})
	if err != nil {
		return nil, err
	}
	datasets := make([]Dataset, 0, len(list.GetDatasets()))
	for _, d := range list.GetDatasets() {
		datasets = append(datasets, datasetOf(d))
	}
	return datasets, nil
}

// Dataset describes one data set.
func (c *Client) Dataset(ctx context.Context, id string) (*Dataset, error) {
	m, err := retry(ctx, c, func(ctx context.Context) (*jaliv1.Dataset, error) {
		return c.catalog.GetDataset(ctx, &jaliv1.GetDatasetRequest{Id: id})
	})
	if err != nil {
		return nil, err
	}
	d := datasetOf(m)
	return &d, nil
}

// CodesQuery selects from the code list of a column.
type CodesQuery struct {
	Dataset, Table, Column string
	// Filter keeps codes whose code or label contains it.
	Filter string
	// Offset and Limit page through them; a zero Limit is the gateway's.
	Offset, Limit int
}

// Codes pages through a column's public code list and tells how many match in total.
func (c *Client) Codes(ctx context.Context, q CodesQuery) (codes []Code, total int64, err error) {
	if q.Offset < 0 || q.Offset > math.MaxInt32 || q.Limit < 0 || q.Limit > math.MaxInt32 {
		return nil, 0, &QueryError{Code: "INVALID", Message: "offset or limit is out of range", Hint: "use numbers from 0; at most 1000 codes come at once"}
	}
	m, err := retry(ctx, c, func(ctx context.Context) (*jaliv1.ListCodesResponse, error) {
		return c.catalog.ListCodes(ctx, &jaliv1.ListCodesRequest{
			Dataset: q.Dataset, Table: q.Table, Column: q.Column, Filter: q.Filter,
			Offset: int32(q.Offset), Limit: int32(q.Limit),
		})
	})
	if err != nil {
		return nil, 0, err
	}
	return codesOf(m.GetCodes()), m.GetTotal(), nil
}

func datasetOf(m *jaliv1.Dataset) Dataset {
	d := Dataset{
		ID: m.GetId(), Title: m.GetTitle(), Description: m.GetDescription(), Source: m.GetSource(), Population: m.GetPopulation(),
		Mode: m.GetMode(), Class: m.GetClass(), Level: m.GetLevel(), Version: m.GetVersion(), Tables: []Table{},
	}
	for _, t := range m.GetTables() {
		d.Tables = append(d.Tables, tableOf(t))
	}
	for _, j := range m.GetJoins() {
		d.Joins = append(d.Joins, Join{j.GetLeft(), j.GetRight()})
	}
	return d
}

func tableOf(m *jaliv1.Table) Table {
	t := Table{
		Name: m.GetName(), Description: m.GetDescription(), Public: m.GetPublic(), PersonKey: m.GetPersonKey(),
		RowsPerPerson: m.GetRowsPerPerson(), GroupsPerPerson: m.GetGroupsPerPerson(), RowsPerGroup: m.GetRowsPerGroup(), Columns: []Field{},
	}
	for _, c := range m.GetColumns() {
		f := Field{
			Name: c.GetName(), Description: c.GetDescription(), Type: c.GetType(), Unit: c.GetUnit(), Roles: append([]string{}, c.GetRoles()...),
			Nullable: c.GetNullable(), Sensitivity: c.GetSensitivity(), CodeCount: c.GetCodes(), PrivateKeys: c.GetPrivateKeys(),
			Lo: c.GetLo(), Hi: c.GetHi(), Sample: codesOf(c.GetSample()),
		}
		for _, b := range c.GetBands() {
			f.Bands = append(f.Bands, Band{b.GetName(), append([]string{}, b.GetLabels()...)})
		}
		t.Columns = append(t.Columns, f)
	}
	return t
}

func codesOf(list []*jaliv1.Code) []Code {
	codes := make([]Code, 0, len(list))
	for _, c := range list {
		codes = append(codes, Code{c.GetCode(), c.GetLabel()})
	}
	return codes
}
