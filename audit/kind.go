package audit

import (
	"errors"
	"fmt"
)

// Kind names what an entry records. A verifier accepts kinds it does not know and reports them as not interpreted.
type Kind string

const (
	Genesis     Kind = "GENESIS"
	Agreement   Kind = "AGREEMENT"
	Budget      Kind = "BUDGET"
	Policy      Kind = "POLICY"
	Dataset     Kind = "DATASET"
	Key         Kind = "KEY"
	Intent      Kind = "INTENT"
	Refused     Kind = "REFUSED"
	Release     Kind = "RELEASE"
	Failure     Kind = "FAILURE"
	Interrupted Kind = "INTERRUPTED"
	Replay      Kind = "REPLAY"
	Hold        Kind = "HOLD"
	Unhold      Kind = "UNHOLD"
	Erase       Kind = "ERASE"
	Erased      Kind = "ERASED"
	Witness     Kind = "WITNESS"
	Timestamp   Kind = "TIMESTAMP"
	Clock       Kind = "CLOCK"
	Heartbeat   Kind = "HEARTBEAT"
	Admin       Kind = "ADMIN"
	Login       Kind = "LOGIN"
	Review      Kind = "REVIEW"
	Export      Kind = "EXPORT"
	ShardClose  Kind = "SHARDCLOSE"
)

// ErrField: an entry lacks a field its kind requires, or the field has the wrong type or value.
var ErrField = errors.New("wrong field")

// need is one required field of a kind: a string (of the listed values, if any), an integer, or an object of integers.
type need struct {
	name   string
	typ    byte     // 's' string, 'i' integer, 'o' object
	values []string // allowed strings; for objects, the members, all integers
}

func str(name string, values ...string) need { return need{name, 's', values} }
func num(name string) need                   { return need{name, 'i', nil} }

var (
	amount  = []string{"d", "r"}
	balance = []string{"ad", "ar", "pd", "pr"}
)

// needs is the table of audit-log.md section 3: what the header of each kind must hold besides the common keys. Fields
// that are only present in some cases are optional and not listed; unknown further fields are allowed.
var needs = map[Kind][]need{
	Genesis:     {str("fmt", "jali-audit/1"), str("keys"), num("psize"), str("why", "new", "year", "restore")},
	Agreement:   {str("ag"), num("agv"), str("pu"), str("st", "active", "suspended", "ended")},
	Budget:      {str("acct", "nrho", "ueps", "cells"), {"cap", 'o', amount}, {"cap0", 'o', amount}, str("pop")},
	Policy:      {str("pol"), str("pol0"), str("rev")},
	Dataset:     {str("cls"), str("ds"), str("dsv"), str("dsv0"), num("lvl"), str("pop"), str("st", "active", "withdrawn")},
	Key:         {str("act"), str("alg"), str("use", "log", "epoch", "witness", "researcher", "he", "tls")},
	Intent:      {str("acct", "nrho", "ueps", "cells"), str("ag"), num("agv"), {"bud0", 'o', balance}, {"bud1", 'o', balance}, str("cls"), {"cost", 'o', amount}, str("dec", "allow"), str("ds"), str("dsv"), str("mode", "sql", "he"), str("pol"), str("pop"), str("pu")},
	Refused:     {str("dec", "deny"), str("why", "parse", "schema", "policy", "budget", "stale", "rate")},
	Release:     {num("lvl"), str("mech"), num("ref")},
	Failure:     {num("ref")},
	Interrupted: {num("ref")},
	Replay:      {num("ref")},
	Hold:        {num("a"), num("b"), num("until")},
	Unhold:      {num("a"), num("b"), num("ref"), num("until")},
	Erase:       {num("a"), num("b"), str("law"), str("scope", "person", "query", "result", "retention")},
	Erased:      {num("n"), num("ref")},
	Witness:     {str("ev")},
	Timestamp:   {num("size"), str("tok"), str("tsa")},
	Clock:       {num("back")},
	Heartbeat:   {num("open")},
	Admin:       {str("act")},
	Login:       {num("cnt"), str("why", "unknown-key", "expired", "signature", "nonce", "locked", "ok"), num("win")},
	Review:      {str("act", "view", "note", "report")},
	Export:      {num("a"), str("aud"), num("b"), str("dig")},
	ShardClose:  {str("next"), str("r512")},
}

// detailNames lists the details each kind may carry. Kinds not listed carry none that this version knows.
var detailNames = map[Kind][]string{
	Agreement: {"party", "text", "approver"},
	Budget:    {"order", "approver"},
	Policy:    {"approver", "tests"},
	Dataset:   {"approver", "manifest"},
	Key:       {"owner", "pub"},
	Intent:    {"actor", "request", "query", "plan", "input"},
	Refused:   {"actor", "query", "reason"},
	Release:   {"result", "protect"},
	Failure:   {"cause"},
	Replay:    {"actor", "request"},
	Hold:      {"actor", "order", "judge"},
	Unhold:    {"actor", "order", "judge"},
	Erase:     {"list", "order", "approver", "approver2"},
	Erased:    {"list", "order", "approver", "approver2"},
	Timestamp: {"token"},
	Heartbeat: {"src"},
	Admin:     {"actor", "what"},
	Login:     {"who", "src"},
	Review:    {"actor", "text"},
	Export:    {"actor"},
}

// Known reports whether this version interprets entries of the kind.
func (k Kind) Known() bool { _, ok := needs[k]; return ok }

// Outcome reports whether the kind closes an INTENT.
func (k Kind) Outcome() bool { return k == Release || k == Failure || k == Interrupted }

// DetailNames are the names of the details that an entry of the kind may carry.
func (k Kind) DetailNames() []string { return detailNames[k] }

// checkKind checks the required fields of a known kind. It returns the name of the offending field.
func checkKind(h *header) (string, error) {
	for _, n := range needs[h.kind] {
		if field, err := n.check(h); err != nil {
			return field, err
		}
	}
	return "", nil
}

func (n need) check(h *header) (string, error) {
	switch n.typ {
	case 'o':
		for _, m := range n.values {
			f := h.member(n.name, m)
			if f == nil || f.typ != 'i' {
				return n.name, fmt.Errorf("%w: %s needs the integer %s.%s", ErrField, h.kind, n.name, m)
			}
		}
		return "", nil
	default:
		f := h.top(n.name)
		if f == nil || f.typ != n.typ {
			want := "a string"
			if n.typ == 'i' {
				want = "an integer"
			}
			return n.name, fmt.Errorf("%w: %s needs %s as %s", ErrField, h.kind, n.name, want)
		}
		if len(n.values) == 0 {
			return "", nil
		}
		for _, v := range n.values {
			if string(f.str) == v {
				return "", nil
			}
		}
		return n.name, fmt.Errorf("%w: %s has an unknown value of %s", ErrField, h.kind, n.name)
	}
}
