package rpc

import (
	"context"

	"jali/gateway"
	jaliv1 "jali/proto/jali/v1"
)

// studies serves StudyService, on the socket only.
type studies struct {
	jaliv1.UnimplementedStudyServiceServer
	gateway *gateway.Gateway
}

func (s *studies) RegisterStudy(ctx context.Context, in *jaliv1.RegisterStudyRequest) (*jaliv1.Activated, error) {
	return activatedProto(s.gateway.RegisterStudy(ctx, gateway.StudyOrder{
		Agreement: in.GetAgreement(), Dataset: in.GetDataset(), ID: in.GetStudy(), Persons: in.GetPersons(), Approver: approver(ctx, in.GetApprover()),
	}))
}

func (s *studies) EndStudy(ctx context.Context, in *jaliv1.EndStudyRequest) (*jaliv1.Activated, error) {
	return activatedProto(s.gateway.EndStudy(ctx, in.GetAgreement(), in.GetStudy(), approver(ctx, in.GetApprover())))
}

func (s *studies) ListStudies(context.Context, *jaliv1.ListStudiesRequest) (*jaliv1.ListStudiesResponse, error) {
	out := &jaliv1.ListStudiesResponse{}
	for _, info := range s.gateway.Studies() {
		out.Studies = append(out.Studies, studyProto(info))
	}
	return out, nil
}

func (s *cohorts) GetStudy(ctx context.Context, in *jaliv1.GetStudyRequest) (*jaliv1.Study, error) {
	who, err := s.callers.of(ctx)
	if err != nil {
		return nil, err
	}
	info, err := s.gateway.Study(ctx, who, in.GetAgreement(), in.GetStudy())
	if err != nil {
		return nil, err
	}
	return studyProto(info), nil
}

func studyProto(s gateway.StudyInfo) *jaliv1.Study {
	return &jaliv1.Study{
		Agreement: s.Agreement, Dataset: s.Dataset, Study: s.ID, Version: s.Version, Slots: int64(s.Slots), Mapping: s.Mapping[:], Entry: s.Entry,
	}
}
