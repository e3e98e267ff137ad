package sdktest

import (
	"context"
	"path/filepath"

	"jali/sdk"
)

// Client is an sdk.Client of a gateway under test. What it is given is looked up in the log when the test ends.
type Client struct {
	*sdk.Client
	gateway *Gateway
	profile string
}

// Researcher, Regulator and Custodian are clients with these roles; the researcher belongs to the first agreement.
func (g *Gateway) Researcher() *Client { g.t.Helper(); return g.as(Researcher) }
func (g *Gateway) Regulator() *Client  { g.t.Helper(); return g.as(Regulator) }
func (g *Gateway) Custodian() *Client  { g.t.Helper(); return g.as(Custodian) }

func (g *Gateway) as(role Role) *Client {
	g.t.Helper()
	name, org := "test-"+string(role), "sdktest"
	if role == Researcher {
		org = g.parties.Parties[0]
		if len(g.parties.Users) > 0 {
			name = g.parties.Users[0]
		}
	}
	return g.Client(name, org, role)
}

// Client issues a certificate, once per name, and connects with it.
func (g *Gateway) Client(name, org string, role Role) *Client {
	g.t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	key := name + "/" + org + "/" + string(role)
	if c, ok := g.clients[key]; ok {
		return c
	}
	dir := filepath.Join(g.Files, "clients", filepath.Base(name)+"-"+string(role))
	g.Run("client", "new", "--dir", g.Dir, "--name", name, "--org", org, "--role", string(role), "--out", dir, "--endpoint", g.Endpoint)
	profile, err := sdk.LoadProfile(filepath.Join(dir, "profile.yaml"))
	if err != nil {
		g.t.Fatal(err)
	}
	client, err := sdk.Dial(context.Background(), profile.Config())
	if err != nil {
		g.t.Fatal(err)
	}
	// finish closes it: cleanups run last first, and checking the log needs a client.
	c := &Client{Client: client, gateway: g, profile: filepath.Join(dir, "profile.yaml")}
	g.clients[key] = c
	return c
}

// Profile is the path of the client's profile, for jali --profile.
func (c *Client) Profile() string { return c.profile }

// Query is sdk.Client.Query with the gateway's agreement, purpose and data set where the question names none.
func (c *Client) Query(ctx context.Context, q sdk.Query) (*sdk.Result, error) {
	result, err := c.Client.Query(ctx, c.gateway.fill(q))
	if err == nil {
		c.gateway.mu.Lock()
		c.gateway.kept = append(c.gateway.kept, result)
		c.gateway.mu.Unlock()
	}
	return result, err
}

// Quote is sdk.Client.Quote with the same defaults.
func (c *Client) Quote(ctx context.Context, q sdk.Query) (*sdk.Quote, error) {
	return c.Client.Quote(ctx, c.gateway.fill(q))
}

func (g *Gateway) fill(q sdk.Query) sdk.Query {
	if q.Agreement == "" {
		q.Agreement = g.Agreement
	}
	if q.Purpose == "" {
		q.Purpose = g.Purpose
	}
	if q.Dataset == "" {
		q.Dataset = g.Dataset
	}
	return q
}
