package rpc

import (
	"strings"

	"jali/gateway/catalog"
	jaliv1 "jali/proto/jali/v1"
)

// sampleCodes is how many codes a column shows of itself.
const sampleCodes = 5

func datasetProto(d *catalog.Dataset, version string) *jaliv1.Dataset {
	out := &jaliv1.Dataset{
		Id: d.ID, Title: d.Title, Description: d.Description, Source: d.Source, Population: d.Population,
		Mode: string(d.Mode), Class: d.Class, Level: int64(d.Level), Version: version,
	}
	for _, t := range d.Tables {
		out.Tables = append(out.Tables, tableProto(t))
	}
	for _, j := range d.Joins {
		out.Joins = append(out.Joins, &jaliv1.Join{Left: j.LeftTable + "." + j.LeftColumn, Right: j.RightTable + "." + j.RightColumn})
	}
	return out
}

func tableProto(t *catalog.Table) *jaliv1.Table {
	out := &jaliv1.Table{
		Name: t.Name, Description: t.Description, Public: t.Public, PersonKey: t.PersonKey,
		RowsPerPerson: t.RowsPerPerson, GroupsPerPerson: t.GroupsPerPerson, RowsPerGroup: t.RowsPerGroup,
	}
	for _, c := range t.Columns {
		out.Columns = append(out.Columns, columnProto(c))
	}
	return out
}

func columnProto(c *catalog.Column) *jaliv1.Column {
	out := &jaliv1.Column{
		Name: c.Name, Description: c.Description, Type: string(c.Type), Unit: c.Unit, Nullable: c.Nullable, Sensitivity: c.Sensitivity,
		Codes: int64(len(c.Codes)), PrivateKeys: c.PrivateKeys, Sample: codesProto(c, c.Codes[:min(len(c.Codes), sampleCodes)]),
	}
	for _, r := range c.Roles {
		out.Roles = append(out.Roles, string(r))
	}
	out.Lo, out.Hi = boundsText(c)
	for _, b := range c.Bands {
		band := &jaliv1.Band{Name: b.Name}
		for _, label := range b.Labels {
			band.Labels = append(band.Labels, label.String())
		}
		out.Bands = append(out.Bands, band)
	}
	return out
}

// boundsText writes the verified bounds of a numeric or date column in its own units; a column with equal bounds or a code list has none to show.
func boundsText(c *catalog.Column) (lo, hi string) {
	if c.Lo == c.Hi || c.Codes != nil {
		return "", ""
	}
	switch c.Type {
	case catalog.Integer:
		return catalog.IntValue(c.Lo).String(), catalog.IntValue(c.Hi).String()
	case catalog.Decimal:
		return catalog.FormatFixed(c.Lo, c.Decimals), catalog.FormatFixed(c.Hi, c.Decimals)
	case catalog.Date:
		return catalog.DayValue(c.Lo).String(), catalog.DayValue(c.Hi).String()
	}
	return "", ""
}

// codesProto writes values with the column's labels; labels of the column name codes, and bands have codes of their own.
func codesProto(c *catalog.Column, values []catalog.Value) []*jaliv1.Code {
	out := make([]*jaliv1.Code, len(values))
	for i, v := range values {
		code := v.String()
		out[i] = &jaliv1.Code{Code: code, Label: c.Labels[code]}
	}
	return out
}

// matching keeps the codes that hold the text in code or label, whatever the case.
func matching(codes []*jaliv1.Code, filter string) []*jaliv1.Code {
	if filter == "" {
		return codes
	}
	filter = strings.ToLower(filter)
	var out []*jaliv1.Code
	for _, c := range codes {
		if strings.Contains(strings.ToLower(c.GetCode()), filter) || strings.Contains(strings.ToLower(c.GetLabel()), filter) {
			out = append(out, c)
		}
	}
	return out
}
