package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"time"

	"buf.build/go/protovalidate"
	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"jali/gateway"
	"jali/gateway/allowance"
	"jali/gateway/identity"
)

// guard is what every call passes, on the network and on the socket, in this order: observe and turn errors into statuses; recover; authenticate and
// count against the caller's rate; set the deadline; validate. The order matters: a stranger's message is never validated, and a panic anywhere is observed.
type guard struct {
	callers   callers
	to        audience
	validator protovalidate.Validator
	limits    *allowance.Rates // nil: no rate limit and no TLS caller (the socket)
	observer  *observer        // nil: nothing is observed (the socket)
	operator  *slog.Logger
	deadline  time.Duration // for calls that name none
	longest   time.Duration // for all
	streams   time.Duration // a stream ends after it and may be resumed
	draining  context.Context
}

func (g *guard) unary(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (answer any, err error) {
	done := g.observer.begin(ctx, info.FullMethod)
	defer func() {
		err = g.close(ctx, info.FullMethod, err)
		done(status.Code(err))
	}()
	defer g.recover(info.FullMethod, &err)
	if _, err := g.admit(ctx, info.FullMethod); err != nil {
		return nil, err
	}
	within, cancel := bounded(ctx, g.deadline, g.longest)
	defer cancel()
	if err := g.validate(request); err != nil {
		return nil, err
	}
	plain(ctx)
	return handle(within, request)
}

func (g *guard) stream(server any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) (err error) {
	ctx := stream.Context()
	done := g.observer.begin(ctx, info.FullMethod)
	defer func() {
		err = g.close(ctx, info.FullMethod, err)
		done(status.Code(err))
	}()
	defer g.recover(info.FullMethod, &err)
	who, err := g.admit(ctx, info.FullMethod)
	if err != nil {
		return err
	}
	within, cancel := bounded(ctx, g.streams, g.streams)
	defer cancel()
	defer context.AfterFunc(g.draining, cancel)()
	plain(ctx)
	err = handle(server, &guarded{ServerStream: stream, ctx: within, guard: g, who: who})
	if err != nil && g.draining.Err() != nil && ctx.Err() == nil {
		return errDraining
	}
	return err
}

// guarded gives a stream's handler the bounded context and validated messages only, and passes on messages for as long as its caller is who began it. A stream may last
// an hour, and its handler asks who calls once: a token that ended, a certificate that was revoked or a group that stands for another role ends it at the next message.
type guarded struct {
	grpc.ServerStream
	ctx   context.Context
	guard *guard
	who   identity.Principal // zero where anybody may call
}

func (s *guarded) Context() context.Context { return s.ctx }

func (s *guarded) SendMsg(m any) error {
	if err := s.same(); err != nil {
		return err
	}
	return s.ServerStream.SendMsg(m)
}

func (s *guarded) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	if err := s.same(); err != nil {
		return err
	}
	return s.guard.validate(m)
}

func (s *guarded) same() error {
	if s.who == (identity.Principal{}) {
		return nil
	}
	who, err := s.guard.callers.of(s.ctx)
	if err == nil && who != s.who {
		err = fmt.Errorf("%w: the caller stands for something else than when the stream began", identity.ErrNoPrincipal)
	}
	return err
}

// admit lets a caller in who is somebody and not too fast. Health is open to everybody and says nothing but up or down.
func (g *guard) admit(ctx context.Context, method string) (identity.Principal, error) {
	if g.limits == nil || strings.HasPrefix(method, healthPrefix) {
		return identity.Principal{}, nil
	}
	who, err := g.callers.of(ctx)
	if err != nil {
		return identity.Principal{}, err
	}
	if !g.limits.Allow(who, time.Now()) {
		return identity.Principal{}, &gateway.Refusal{Code: gateway.Rate, Message: "too many requests", Hint: "wait a second and try again"}
	}
	return who, nil
}

var errUnknownField = &gateway.Refusal{
	Code: gateway.Invalid, Message: "the request has a field this gateway does not know",
	Hint: "check the spelling, or leave out what a newer client adds",
}

// validate checks the rules of the contract, and refuses fields it does not know.
func (g *guard) validate(request any) error {
	m, ok := request.(proto.Message)
	if !ok {
		return errors.New("request is not a protocol buffer")
	}
	if strings.HasPrefix(string(m.ProtoReflect().Descriptor().FullName()), ours) && len(m.ProtoReflect().GetUnknown()) > 0 {
		return errUnknownField
	}
	return g.validator.Validate(m)
}

// ours begins the names of our own messages.
const ours = "jali."

// close turns an error into its status. What is nobody's refusal is a fault of ours: the operator learns its type and place, never its text, which could hold values.
func (g *guard) close(ctx context.Context, method string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil && !isRefusal(err) {
		err = ctx.Err()
	}
	s := toStatus(err, g.to)
	if isFault(err) {
		g.operator.Error("request failed", "method", method, "type", typeOf(err))
	}
	return s.Err()
}

func isRefusal(err error) bool {
	var refusal *gateway.Refusal
	return errors.As(err, &refusal)
}

func isFault(err error) bool {
	var refusal *gateway.Refusal
	if errors.As(err, &refusal) {
		return codeOf(refusal.Code) == internalCode
	}
	var invalid *protovalidate.ValidationError
	for _, known := range []error{identity.ErrNoPrincipal, identity.ErrProvider, errDraining, context.DeadlineExceeded, context.Canceled} {
		if errors.Is(err, known) {
			return false
		}
	}
	return !errors.As(err, &invalid)
}

// recover makes a panic an internal error. The stack has function names and lines; the panic's value is withheld, because it may hold data.
func (g *guard) recover(method string, err *error) {
	v := recover()
	if v == nil {
		return
	}
	g.operator.Error("handler panicked", "method", method, "type", typeOf(v), "stack", frames())
	*err = errPanic
}

var errPanic = errors.New("handler panicked")

// frames lists the functions and lines of the stack. runtime.Stack would also print arguments.
func frames() []string {
	counters := make([]uintptr, 48)
	stack := runtime.CallersFrames(counters[:runtime.Callers(3, counters)])
	var out []string
	for {
		frame, more := stack.Next()
		out = append(out, frame.Function+":"+itoa(frame.Line))
		if !more {
			return out
		}
	}
}

// bounded gives a call its deadline: the caller's, else usual, and never more than longest.
func bounded(ctx context.Context, usual, longest time.Duration) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); !ok {
		return context.WithTimeout(ctx, min(usual, longest))
	}
	return context.WithTimeout(ctx, longest)
}

// plain switches compression of answers off, whatever the caller sent: compressed length depends on values.
func plain(ctx context.Context) {
	// It fails only where there is no transport stream or the headers are sent, and then nothing of ours is compressed.
	_ = grpc.SetSendCompressor(ctx, encoding.Identity)
}
