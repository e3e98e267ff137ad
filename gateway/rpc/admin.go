package rpc

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"buf.build/go/protovalidate"
	"google.golang.org/grpc"
	"google.golang.org/grpc/peer"

	"jali/gateway"
	"jali/gateway/budget"
	"jali/gateway/identity"
	jaliv1 "jali/proto/jali/v1"
)

// maxAdmin bounds a message on the socket: manifests of wide datasets and policy bundles.
const maxAdmin = 32 << 20

// admins serves AdminService, on the socket only.
type admins struct {
	jaliv1.UnimplementedAdminServiceServer
	gateway *gateway.Gateway
}

func (s *admins) ActivateDataset(ctx context.Context, in *jaliv1.ActivateDatasetRequest) (*jaliv1.Activated, error) {
	return activatedProto(s.gateway.ActivateDataset(ctx, in.GetDataset(), in.GetManifest(), approver(ctx, in.GetApprover())))
}

func (s *admins) AddAgreement(ctx context.Context, in *jaliv1.AddAgreementRequest) (*jaliv1.Activated, error) {
	return activatedProto(s.gateway.AddAgreement(ctx, in.GetYaml(), approver(ctx, in.GetApprover())))
}

func (s *admins) SetBudget(ctx context.Context, in *jaliv1.SetBudgetRequest) (*jaliv1.Activated, error) {
	return activatedProto(s.gateway.SetBudget(ctx, in.GetPopulation(), budget.PU(in.GetPu()), in.GetDeltaE18(), approver(ctx, in.GetApprover()), in.GetOrder()))
}

func (s *admins) ActivatePolicy(ctx context.Context, in *jaliv1.ActivatePolicyRequest) (*jaliv1.Activated, error) {
	return activatedProto(s.gateway.ActivatePolicy(ctx, in.GetBundle(), approver(ctx, in.GetApprover())))
}

func (s *admins) Export(ctx context.Context, in *jaliv1.ExportRequest) (*jaliv1.Activated, error) {
	return activatedProto(s.gateway.Export(ctx, in.GetDir(), in.GetAudience()))
}

func (s *admins) Backup(ctx context.Context, in *jaliv1.BackupRequest) (*jaliv1.Activated, error) {
	return activatedProto(s.gateway.Backup(ctx, in.GetDir(), in.GetKeys(), approver(ctx, in.GetApprover())))
}

func (s *admins) Erase(ctx context.Context, in *jaliv1.EraseRequest) (*jaliv1.EraseResponse, error) {
	o := gateway.ErasureOrder{
		Scope: in.GetScope(), Law: in.GetLaw(), Entries: in.GetEntries(), Person: in.GetPerson(), Order: in.GetOrder(),
		Approvals: in.GetApprovals(), Preview: in.GetPreview(),
	}
	if q, ok := in.GetWhat().(*jaliv1.EraseRequest_Query); ok {
		o.Query = &q.Query
	}
	done, err := s.gateway.Erase(ctx, o)
	if err != nil {
		return nil, err
	}
	return &jaliv1.EraseResponse{Entries: done.Entries, Erase: done.Erase, Erased: done.Erased, Keys: int64(done.Keys), Ended: done.Ended, Text: string(done.Text)}, nil
}

func (s *admins) Hold(ctx context.Context, in *jaliv1.HoldRequest) (*jaliv1.HoldResponse, error) {
	return holdProto(s.gateway.Hold(ctx, account(ctx), holdOrder(in)))
}

func (s *admins) Unhold(ctx context.Context, in *jaliv1.UnholdRequest) (*jaliv1.HoldResponse, error) {
	return holdProto(s.gateway.Unhold(ctx, account(ctx), in.GetHold(), in.GetOrder(), in.GetJudge()))
}

func (s *admins) Timestamp(ctx context.Context, _ *jaliv1.TimestampRequest) (*jaliv1.Activated, error) {
	return activatedProto(s.gateway.Timestamp(ctx))
}

func (s *admins) ExplainWitness(ctx context.Context, in *jaliv1.ExplainWitnessRequest) (*jaliv1.Activated, error) {
	return activatedProto(s.gateway.ExplainWitness(ctx, in.GetWitness(), in.GetExplanation(), approver(ctx, in.GetApprover())))
}

func (s *admins) PublishVerifier(ctx context.Context, in *jaliv1.PublishVerifierRequest) (*jaliv1.Activated, error) {
	return activatedProto(s.gateway.PublishVerifier(ctx, [32]byte(in.GetDigest()), in.GetWhat(), approver(ctx, in.GetApprover())))
}

func (s *admins) Status(context.Context, *jaliv1.StatusRequest) (*jaliv1.StatusResponse, error) {
	return statusProto(s.gateway.Status()), nil
}

func activatedProto(a gateway.Activated, err error) (*jaliv1.Activated, error) {
	if err != nil {
		return nil, err
	}
	return &jaliv1.Activated{Seq: a.Seq, Digest: a.Digest, Warnings: a.Warnings, Unit: a.Unit}, nil
}

func statusProto(s gateway.Status) *jaliv1.StatusResponse {
	return &jaliv1.StatusResponse{Size: s.Size, Origin: s.Origin, Policy: s.Policy, Datasets: s.Datasets, Manifests: s.Manifests, Problems: s.Problems}
}

// approver is who the record will name: as given, else the account on the other end of the socket.
func approver(ctx context.Context, given string) string {
	if given != "" {
		return given
	}
	if p, ok := peer.FromContext(ctx); ok {
		if o, ok := p.AuthInfo.(operatorInfo); ok {
			return fmt.Sprintf("uid:%d", o.uid)
		}
	}
	return "unknown"
}

// account is whoever has the socket, as a custodian.
func account(ctx context.Context) identity.Principal {
	return identity.Principal{Name: approver(ctx, ""), Role: identity.Custodian}
}

// ServeAdmin serves AdminService on a Unix socket until ctx ends, then finishes the calls under way. ready, if not nil, is called once the socket accepts
// connections. There is no rate limit and no TLS: the kernel says who calls. The audit log is the record of what was done here; only panics go to the
// default logger.
func ServeAdmin(ctx context.Context, path string, g *gateway.Gateway, ready func()) error {
	validator, err := protovalidate.New()
	if err != nil {
		return fmt.Errorf("serve admin: make validator: %w", err)
	}
	listener, err := listenSocket(path)
	if err != nil {
		return fmt.Errorf("serve admin: open socket: %w", err)
	}
	guard := &guard{
		to: operator, validator: validator, operator: slog.Default(),
		deadline: adminTime, longest: adminTime, streams: adminTime, draining: ctx,
	}
	s := grpc.NewServer(grpc.Creds(accountCredentials{}), grpc.MaxRecvMsgSize(maxAdmin),
		grpc.UnaryInterceptor(guard.unary), grpc.StreamInterceptor(guard.stream))
	jaliv1.RegisterAdminServiceServer(s, &admins{gateway: g})
	jaliv1.RegisterStudyServiceServer(s, &studies{gateway: g})
	if ready != nil {
		ready()
	}
	return run(ctx, []part{{
		name:  "admin socket",
		serve: func() error { return s.Serve(listener) },
		stop: func(ctx context.Context) error {
			defer context.AfterFunc(ctx, s.Stop)()
			s.GracefulStop()
			return os.Remove(path)
		},
	}}, adminTime, func() {})
}

// adminTime bounds a call on the socket: an export of a long log takes minutes.
const adminTime = time.Hour

// listenSocket makes the socket under a temporary name, closes it to others, and gives it its name: it is never open wider, and a socket that a crash left is
// replaced. That no other gateway serves the directory is the audit log's lock, which the caller holds.
func listenSocket(path string) (net.Listener, error) {
	tmp := path + ".new"
	if err := os.Remove(tmp); err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: tmp, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("%w (the path may have 100 bytes at most)", err)
	}
	listener.SetUnlinkOnClose(false)
	if err := os.Chmod(tmp, 0o600); err != nil {
		listener.Close()
		return nil, err
	}
	if err := os.Rename(tmp, path); err != nil {
		listener.Close()
		return nil, err
	}
	return listener, nil
}
