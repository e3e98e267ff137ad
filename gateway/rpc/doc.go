// Package rpc is step 1 of a query's path and the only place that knows wire types: one TLS 1.3 port that speaks gRPC, gRPC-Web, Connect and REST, and
// one Unix socket for the operator.
//
// Guaranteed:
//   - Nobody is anonymous. Health is open; for everything else a client certificate that the configured authority signed, or an
//     access token of the configured provider, names the caller ([identity.Trust]) before a byte of the body is read. Handlers get the Principal as an argument and pass it on.
//   - The network port does not serve AdminService. The socket that does has mode 0600 and asks the kernel who connects (SO_PEERCRED): the gateway's own
//     account or root, nobody else.
//   - Requests are bounded in size, time and number per principal, and checked against the rules of the contract (protovalidate). A field the contract does not
//     know is refused, not ignored: it might have been a limit the caller relies on.
//   - Errors come from one function, [toStatus]. To the network it passes a gateway.Refusal, which holds nothing that depends on data, and for
//     everything else a constant text. After a charge there is one constant error.
//   - Logs and metrics hold method, code, a coarse duration and the first digits of the caller's key: never SQL, ids, names, values or exact durations.
//   - Answers are not compressed, and filled up to the widest answer of their shape ([padded]): their length on the wire follows from that shape.
//   - When the context of [Serve] ends, the port closes to new connections and requests under way are finished.
//
// Not guaranteed: nothing here covers timing. The response slots do, in package gateway; what this package adds after them depends on the size of the answer,
// which the caller sees anyway.
//
// Sources: the mapping of HTTP to gRPC is google.api.http (AIP-127); error details follow AIP-193; Connect and gRPC-Web are transcoded by
// connectrpc.com/vanguard.
package rpc
