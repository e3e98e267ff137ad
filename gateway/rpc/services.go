package rpc

import (
	"context"
	"time"

	"buf.build/go/protovalidate"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"

	jaliv1 "jali/proto/jali/v1"
)

// server is the gRPC side of the network port.
type server struct {
	grpc    *grpc.Server
	health  *health.Server
	metrics *metrics
}

func publicServer(c Config, who callers, validator protovalidate.Validator, draining context.Context) server {
	m := newMetrics(c.Gateway, who, methods(), c.Others...)
	g := &guard{
		callers: who, to: network, validator: validator, limits: c.Rates, observer: &observer{tracer: c.Tracer, callers: who, log: c.Operator, metrics: m}, operator: c.Operator,
		deadline: c.Deadline, longest: c.Longest, streams: c.Streams, draining: draining,
	}
	s := server{
		grpc:    grpc.NewServer(grpc.MaxRecvMsgSize(maxRequest), grpc.UnaryInterceptor(g.unary), grpc.StreamInterceptor(g.stream)),
		health:  health.NewServer(),
		metrics: m,
	}
	jaliv1.RegisterCatalogServiceServer(s.grpc, &catalogs{callers: who, gateway: c.Gateway})
	jaliv1.RegisterQueryServiceServer(s.grpc, &queries{callers: who, gateway: c.Gateway, metrics: m})
	jaliv1.RegisterCohortServiceServer(s.grpc, &cohorts{callers: who, gateway: c.Gateway})
	jaliv1.RegisterBudgetServiceServer(s.grpc, &budgets{callers: who, gateway: c.Gateway})
	jaliv1.RegisterAuditServiceServer(s.grpc, &audits{callers: who, gateway: c.Gateway})
	jaliv1.RegisterOperatorServiceServer(s.grpc, &operators{callers: who, gateway: c.Gateway, started: time.Now()})
	healthv1.RegisterHealthServer(s.grpc, s.health)
	reflection.Register(s.grpc) // behind the certificate, as all but health
	return s
}

// methods lists the contract: the only names a metric may carry.
func methods() []string {
	var out []string
	for _, d := range []grpc.ServiceDesc{
		jaliv1.CatalogService_ServiceDesc, jaliv1.QueryService_ServiceDesc, jaliv1.CohortService_ServiceDesc, jaliv1.BudgetService_ServiceDesc,
		jaliv1.AuditService_ServiceDesc, jaliv1.AdminService_ServiceDesc, jaliv1.StudyService_ServiceDesc, jaliv1.OperatorService_ServiceDesc, healthv1.Health_ServiceDesc,
	} {
		for _, m := range d.Methods {
			out = append(out, "/"+d.ServiceName+"/"+m.MethodName)
		}
		for _, s := range d.Streams {
			out = append(out, "/"+d.ServiceName+"/"+s.StreamName)
		}
	}
	return out
}
