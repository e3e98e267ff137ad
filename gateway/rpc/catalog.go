package rpc

import (
	"context"

	"jali/gateway"
	"jali/gateway/catalog"
	"jali/gateway/identity"
	jaliv1 "jali/proto/jali/v1"
)

// catalogs serves CatalogService: what the caller may know exists. It opens no data.
type catalogs struct {
	jaliv1.UnimplementedCatalogServiceServer
	gateway *gateway.Gateway
	callers callers
}

func (s *catalogs) ListDatasets(ctx context.Context, _ *jaliv1.ListDatasetsRequest) (*jaliv1.ListDatasetsResponse, error) {
	who, err := s.callers.of(ctx)
	if err != nil {
		return nil, err
	}
	out := &jaliv1.ListDatasetsResponse{}
	for _, d := range s.gateway.Datasets(who) {
		out.Datasets = append(out.Datasets, datasetProto(d, s.gateway.Version(d.ID)))
	}
	return out, nil
}

func (s *catalogs) GetDataset(ctx context.Context, in *jaliv1.GetDatasetRequest) (*jaliv1.Dataset, error) {
	who, err := s.callers.of(ctx)
	if err != nil {
		return nil, err
	}
	d, err := s.dataset(who, in.GetId())
	if err != nil {
		return nil, err
	}
	return datasetProto(d, s.gateway.Version(d.ID)), nil
}

// defaultCodes is how many codes come when no limit is given.
const defaultCodes = 100

func (s *catalogs) ListCodes(ctx context.Context, in *jaliv1.ListCodesRequest) (*jaliv1.ListCodesResponse, error) {
	who, err := s.callers.of(ctx)
	if err != nil {
		return nil, err
	}
	d, err := s.dataset(who, in.GetDataset())
	if err != nil {
		return nil, err
	}
	codes, err := domainOf(d, in.GetTable(), in.GetColumn())
	if err != nil {
		return nil, err
	}
	limit := int(in.GetLimit())
	if limit == 0 {
		limit = defaultCodes
	}
	found := matching(codes, in.GetFilter())
	from := min(int(in.GetOffset()), len(found))
	return &jaliv1.ListCodesResponse{Codes: found[from:min(from+limit, len(found))], Total: int64(len(found))}, nil
}

// dataset finds one of the caller's datasets. One that exists but is not the caller's to know is not found, in the same words.
func (s *catalogs) dataset(who identity.Principal, id string) (*catalog.Dataset, error) {
	for _, d := range s.gateway.Datasets(who) {
		if d.ID == id {
			return d, nil
		}
	}
	return nil, &gateway.Refusal{Code: gateway.NotFound, Message: "no dataset of this id is open to you", Hint: "list the datasets you may ask"}
}

// domainOf finds the public domain of a column or of a declared band.
func domainOf(d *catalog.Dataset, table, name string) ([]*jaliv1.Code, error) {
	t := d.Table(table)
	if t == nil {
		return nil, &gateway.Refusal{Code: gateway.NotFound, Message: "the dataset has no table of this name", Hint: "get the dataset to see its tables"}
	}
	if c := t.Column(name); c != nil {
		if c.PrivateKeys {
			return codesProto(c, c.Matching), nil
		}
		return codesProto(c, c.Codes), nil
	}
	if c, band := t.Band(name); band != nil {
		return codesProto(c, band.Labels), nil
	}
	return nil, &gateway.Refusal{Code: gateway.NotFound, Message: "the table has no column or band of this name", Hint: "get the dataset to see its columns"}
}
