// Package pgwire lets programs that speak to PostgreSQL ask a gateway: psql, R, Python, JDBC, ODBC and what is built on them. It is a front beside
// gateway/rpc on a port of its own: the same principals, the same Gateway.Answer, the same record.
//
// Guaranteed:
//   - Nothing but a cancel request is read before TLS 1.3 stands, and nobody is anonymous: a client certificate, or, where an identity provider is
//     configured, an access token in place of the password, names the caller ([identity.Trust]), asked anew for each statement.
//   - A statement that reads tables goes to Gateway.Answer, as text, whatever it says: the planner refuses what is no question, on the record.
//     What is answered here (settings, transactions, the system catalogue) never touches rows: package syscat knows the published catalogue only.
//   - Describing a statement charges nothing and reads no data: its columns come from the plan (Gateway.Describe).
//   - A bound parameter becomes a literal through one writer ([literal]): a number is digits, a date a checked date, a text a quoted text. The planner
//     reads the result as it reads any text, so that no parameter can say more than a literal could.
//   - Messages, statements, parameters, connections, statements per second and idle time are bounded; so are what a session keeps, what waits to be sent, and
//     what the system catalogue costs. Before a session stands, all of its start has one time, and one address a quarter of the connections at most.
//   - Errors come from one function, [refusal]. It passes what a gateway.Refusal says, which depends on no data, and a constant text for everything
//     else. The operator's log holds kind, SQLSTATE and the first digits of the caller's key: never SQL, names or values.
//
// Not guaranteed:
//   - Transactions. BEGIN, COMMIT and ROLLBACK are accepted because clients send them; an answer that was charged stays charged.
//   - That a receipt was checked: the protocol has no place for it. SHOW jali.receipt and SHOW jali.result give the last
//     answer's, and `jali receipt verify` checks them.
//   - Secrecy of cancel keys: clients send cancel requests without TLS (libpq before 17), so who reads the network can cancel, and nothing else.
//
// Sources: PostgreSQL documentation, "Frontend/Backend Protocol" (version 3.0) and appendix A (SQLSTATE); messages are coded by pgx's pgproto3.
package pgwire
