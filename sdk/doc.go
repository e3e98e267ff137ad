// Package sdk asks a Jali gateway questions and hands over an answer only when its receipt verifies.
//
// A [Client] holds one TLS 1.3 connection, authenticated with a client certificate. [Client.Query] does, in this order:
// send the question with an idempotency key; when the gateway cannot be reached, send the same question with the same key
// again, so that a lost connection never buys the same answer twice; verify the receipt against the log keys the caller has
// pinned ([Config.VKeys]); check that the receipt is about this agreement, purpose, data set and price; check that the
// SHA-256 of the result bytes is the one on record; and only then decode those bytes. The decoded table comes from
// the bytes the receipt covers, never from the response's typed copy.
//
// What a verified receipt shows: the gateway's log key signed a tree that contains the charge for a question and the release
// of exactly these result bytes. What it does not show: that the answer is right, that the log was not forked for this
// caller (compare checkpoints with a witness, see [Receipt.Sealed]), or that the gateway answered nobody outside the log. The
// order, choice and naming of rows and columns (ORDER BY, LIMIT, AS) are applied after the record is made and are not
// covered by the receipt; they cannot change a value.
//
// Errors are typed: [*QueryError], [*PolicyDenied], [*BudgetExhausted], [*ReceiptError], and [*GatewayError] for the rest,
// which matches [ErrUnavailable], [ErrNoAnswer], [ErrStale] or [ErrUnauthenticated] with errors.Is. [Hint] tells what to do next.
//
// Figures in an answer are protected: each has an error term ([Result.Interval]), and a count can come out
// negative. That is noise, not a mistake, and clamping it before further arithmetic biases the result.
package sdk
