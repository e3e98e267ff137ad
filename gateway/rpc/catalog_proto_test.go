package rpc

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"jali/gateway"
	"jali/gateway/catalog"
	jaliv1 "jali/proto/jali/v1"
)

func scheme() *catalog.Dataset {
	codes := func(texts ...string) (out []catalog.Value) {
		for _, s := range texts {
			out = append(out, catalog.StringValue(s))
		}
		return out
	}
	return &catalog.Dataset{
		ID: "d", Title: "T", Description: "D", Source: "S", Population: "p", Mode: catalog.ModeDP, Class: "health", Level: 2,
		Tables: []*catalog.Table{{
			Name: "visit", Description: "visits", PersonKey: "id", RowsPerPerson: 30, GroupsPerPerson: 4, RowsPerGroup: 2,
			Columns: []*catalog.Column{
				{Name: "id", Type: catalog.Text, Roles: []catalog.Role{catalog.RolePerson}, Sensitivity: "high"},
				{
					Name: "icd", Type: catalog.Text, Roles: []catalog.Role{catalog.RoleGroup}, Sensitivity: "high", Nullable: true,
					Codes:  codes("A00", "A01", "B20", "C50", "E11", "I10", "J45"),
					Labels: map[string]string{"E11": "Type 2 diabetes", "I10": "Hypertension"},
					Bands:  []*catalog.Band{{Name: "chapter", Column: "icd", Kind: catalog.BandPrefix, Prefix: 1, Labels: codes("A", "B")}},
				},
				{Name: "cost", Type: catalog.Decimal, Decimals: 2, Unit: "EUR", Roles: []catalog.Role{catalog.RoleMeasure, catalog.RoleFilter}, Lo: -50, Hi: 100_000, Sensitivity: "low"},
				{Name: "day", Type: catalog.Date, Roles: []catalog.Role{catalog.RoleDate}, Lo: 0, Hi: 365, Sensitivity: "low"},
				{Name: "free", Type: catalog.Text, Roles: []catalog.Role{catalog.RoleGroup}, PrivateKeys: true, Sensitivity: "low"},
			},
		}},
		Joins: []catalog.Join{{LeftTable: "visit", LeftColumn: "icd", RightTable: "codes", RightColumn: "code"}},
	}
}

func TestDatasetProto(t *testing.T) {
	want := &jaliv1.Dataset{
		Id: "d", Title: "T", Description: "D", Source: "S", Population: "p", Mode: "dp", Class: "health", Level: 2, Version: "v1",
		Joins: []*jaliv1.Join{{Left: "visit.icd", Right: "codes.code"}},
		Tables: []*jaliv1.Table{{
			Name: "visit", Description: "visits", PersonKey: "id", RowsPerPerson: 30, GroupsPerPerson: 4, RowsPerGroup: 2,
			Columns: []*jaliv1.Column{
				{Name: "id", Type: "text", Roles: []string{"person"}, Sensitivity: "high"},
				{
					Name: "icd", Type: "text", Roles: []string{"group"}, Sensitivity: "high", Nullable: true, Codes: 7,
					Bands:  []*jaliv1.Band{{Name: "chapter", Labels: []string{"A", "B"}}},
					Sample: []*jaliv1.Code{{Code: "A00"}, {Code: "A01"}, {Code: "B20"}, {Code: "C50"}, {Code: "E11", Label: "Type 2 diabetes"}},
				},
				{Name: "cost", Type: "decimal", Unit: "EUR", Roles: []string{"measure", "filter"}, Lo: "-0.50", Hi: "1000.00", Sensitivity: "low"},
				{Name: "day", Type: "date", Roles: []string{"date"}, Lo: "1970-01-01", Hi: "1971-01-01", Sensitivity: "low"},
				{Name: "free", Type: "text", Roles: []string{"group"}, PrivateKeys: true, Sensitivity: "low"},
			},
		}},
	}
	if diff := cmp.Diff(want, datasetProto(scheme(), "v1"), protocmp.Transform()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDomainOf(t *testing.T) {
	for _, test := range []struct {
		table, name, filter string
		want                []string
		missing             bool
	}{
		{table: "visit", name: "icd", want: []string{"A00", "A01", "B20", "C50", "E11", "I10", "J45"}},
		{table: "visit", name: "icd", filter: "a0", want: []string{"A00", "A01"}},
		{table: "visit", name: "icd", filter: "DIABETES", want: []string{"E11"}},
		{table: "visit", name: "icd", filter: "nothing"},
		{table: "visit", name: "chapter", want: []string{"A", "B"}},
		{table: "visit", name: "cost"},
		{table: "visit", name: "nope", missing: true},
		{table: "nope", name: "icd", missing: true},
	} {
		codes, err := domainOf(scheme(), test.table, test.name)
		var refusal *gateway.Refusal
		if test.missing != errors.As(err, &refusal) || test.missing && refusal.Code != gateway.NotFound {
			t.Errorf("%s.%s: %v", test.table, test.name, err)
		}
		var got []string
		for _, c := range matching(codes, test.filter) {
			got = append(got, c.GetCode())
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s.%s %q (-want +got):\n%s", test.table, test.name, test.filter, diff)
		}
	}
}
