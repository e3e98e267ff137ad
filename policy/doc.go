// Package policy decides whether a query may run: input -> OPA -> Grant, or a refusal with reasons.
//
// Guaranteed:
//   - Only Decide makes a Grant with power, and only when the active bundle's allow is true and its obligations are
//     well formed. Undefined, an evaluation error, a timeout, a malformed input and a wrong clock all deny.
//   - A decision is a function of the recorded input and the bundle alone: builtins that read a clock, the network, the
//     process or a random source do not compile (Capabilities). Replay decides a recorded input again.
//   - A bundle decides only after its ES256 signature was verified, it compiled strictly against the input schema, it
//     refused every probe of probes.go and all of its own tests passed. The bundle compiled in is trusted as this
//     program is, and passes the same checks but the signature.
//   - Errors and reasons hold no value of the query: OPA's own error texts quote input and are dropped.
//
// Not guaranteed: that a signed bundle is wise (whoever holds its key is trusted), that budgets suffice (the ledger
// decides that, exactly, when it charges), or a bound on the memory an evaluation takes (its time is bounded).
//
// The default bundle has no deny rules. It allows only if the set of passed checks equals the set of required ones,
// because a Rego deny rule that reads a missing or misspelt field is undefined and denies nothing.
//
// Sources: Rego and bundle formats of Open Policy Agent v1; GA4GH Data Use Ontology; Regulation (EU) 2025/327, Art. 53.
package policy
