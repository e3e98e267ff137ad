package rpc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	"google.golang.org/grpc/credentials"
)

// errAccount: the other end of the socket is not the gateway's own account.
var errAccount = errors.New("the admin socket is for the gateway's own account and root")

// accountCredentials admits processes of the gateway's own account and of root, as the kernel names them. No byte is exchanged.
type accountCredentials struct{}

// operatorInfo says which account a call comes from.
type operatorInfo struct {
	credentials.CommonAuthInfo
	uid uint32
}

func (operatorInfo) AuthType() string { return "account" }

func (accountCredentials) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	uid, err := accountOf(conn)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("ask who connects: %w", err), conn.Close())
	}
	if !admitted(uid, os.Geteuid()) {
		return nil, nil, errors.Join(errAccount, conn.Close())
	}
	return conn, operatorInfo{CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity}, uid: uid}, nil
}

func admitted(uid uint32, own int) bool { return uid == 0 || int64(uid) == int64(own) }

func (accountCredentials) ClientHandshake(context.Context, string, net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errors.New("account credentials are a server's")
}

func (accountCredentials) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "account"}
}

func (c accountCredentials) Clone() credentials.TransportCredentials { return c }

func (accountCredentials) OverrideServerName(string) error { return nil }
