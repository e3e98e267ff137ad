package sdk

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"jali/audit"
	jaliv1 "jali/proto/jali/v1"
)

// maxMessage bounds an answer, as the gateway does: 100,000 rows of a table function are filled up to some 60 to 90 MiB.
const maxMessage = 256 << 20

// Client asks one gateway. It is safe for concurrent use.
type Client struct {
	conn     *grpc.ClientConn
	config   Config
	vkeys    []string
	seal     *audit.Quorum // nil: no receipt is called sealed
	queries  jaliv1.QueryServiceClient
	catalog  jaliv1.CatalogServiceClient
	balances jaliv1.BudgetServiceClient
	cohorts  jaliv1.CohortServiceClient
}

// Dial checks the configuration and returns a client. It does not wait for the gateway: the first call connects, and an
// unreachable gateway is that call's ErrUnavailable. The context is not kept.
func Dial(ctx context.Context, config Config) (*Client, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("dial gateway: %w", err)
	}
	target, err := config.target()
	if err != nil {
		return nil, err
	}
	tlsConfig, err := config.tls(time.Now())
	if err != nil {
		return nil, err
	}
	vkeys, err := config.vkeys()
	if err != nil {
		return nil, err
	}
	seal, err := config.quorum()
	if err != nil {
		return nil, err
	}
	if config.Timeout <= 0 {
		config.Timeout = defaultTimeout
	}
	if config.Attempts <= 0 {
		config.Attempts = defaultAttempts
	}
	if config.Backoff <= 0 {
		config.Backoff = defaultBackoff
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(credentials.NewTLS(tlsConfig)),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)),
		grpc.WithUserAgent("jali-sdk-go"),
		// The client retries by itself, with one idempotency key for all attempts.
		grpc.WithDisableServiceConfig(),
		grpc.WithDisableRetry(),
	}
	if config.TokenFile != "" {
		token, err := readToken(config.TokenFile)
		if err != nil {
			return nil, err
		}
		options = append(options, grpc.WithPerRPCCredentials(&bearer{path: config.TokenFile, current: token}))
	}
	conn, err := grpc.NewClient("dns:///"+target, options...)
	if err != nil {
		return nil, fmt.Errorf("dial gateway: %w", err)
	}
	return &Client{
		conn: conn, config: config, vkeys: vkeys, seal: seal,
		queries:  jaliv1.NewQueryServiceClient(conn),
		catalog:  jaliv1.NewCatalogServiceClient(conn),
		balances: jaliv1.NewBudgetServiceClient(conn),
		cohorts:  jaliv1.NewCohortServiceClient(conn),
	}, nil
}

// Close ends the connection; calls under way fail with ErrUnavailable.
func (c *Client) Close() error { return c.conn.Close() }

// Conn is the connection, for services this package does not wrap (AuditService, health, reflection). Errors from it are gRPC
// status errors; FromStatus types them.
func (c *Client) Conn() grpc.ClientConnInterface { return c.conn }
