package pgwire

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"

	"jali/gateway/identity"
)

// The settings that can be shown and not set.
const (
	showBudget   = "jali.budget"
	showReceipt  = "jali.receipt"
	showResult   = "jali.result"
	showDecision = "jali.decision"
	showPrice    = "jali.price"
)

// transaction answers what begins and ends transactions, which change nothing here; false: it is another statement.
func (s *session) transaction(st *statement) (string, bool) {
	switch st.verb() {
	case "begin":
		s.status = 'T'
		return "BEGIN", true
	case "start":
		s.status = 'T'
		return "START TRANSACTION", true
	case "commit", "end":
		s.status = 'I'
		return "COMMIT", true
	case "rollback", "abort":
		if st.word(1) == "to" || st.word(2) == "to" {
			return "ROLLBACK", true
		}
		s.status = 'I'
		return "ROLLBACK", true
	case "savepoint":
		return "SAVEPOINT", true
	case "release":
		return "RELEASE", true
	}
	return "", false
}

// assign answers SET and RESET.
func (s *session) assign(st *statement) (result, error) {
	t := st.tokens[1:]
	if st.verb() == "reset" {
		return result{tag: "RESET"}, s.reset(t)
	}
	set := result{tag: "SET"}
	if len(t) > 0 && t[0].is("session", "local") {
		if t[0].text == "local" {
			return result{}, &fault{code: "0A000", message: "SET LOCAL would end with a transaction, and there are none", hint: "write SET without LOCAL", at: t[0].at + 1}
		}
		t = t[1:]
	}
	if len(t) > 0 && t[0].is("transaction", "characteristics") {
		return set, nil
	}
	var setting string
	switch {
	case len(t) > 1 && t[0].is("names"):
		setting, t = "client_encoding", t[1:]
	case len(t) > 2 && t[0].is("time") && t[1].is("zone"):
		setting, t = "timezone", t[2:]
	default:
		var rest []token
		if setting, rest = settingName(t); setting == "" || len(rest) < 2 || !rest[0].is("=", "to") {
			return result{}, &fault{code: "42601", message: "SET takes a name and a value", hint: "SET jali.error = 50"}
		}
		t = rest[1:]
	}
	if len(t) == 1 && t[0].is("default") {
		return set, s.reset([]token{{kind: name, text: setting}})
	}
	value, ok := settingValue(st.sql, t)
	if !ok {
		return result{}, &fault{code: "42601", message: "the value of a setting is a word, a number or a text in quotes", hint: "SET jali.purpose = 'DUO:0000006'", at: t[0].at + 1}
	}
	if err := s.set.set(setting, value); err != nil {
		return result{}, err
	}
	s.parameter(setting)
	return set, nil
}

// settingName reads a name of words with dots between.
func settingName(t []token) (string, []token) {
	var b strings.Builder
	for i := 0; i < len(t); i++ {
		if t[i].kind != word && t[i].kind != name {
			return b.String(), t[i:]
		}
		b.WriteString(strings.ToLower(t[i].text))
		if i+1 >= len(t) || !t[i+1].is(".") {
			return b.String(), t[i+1:]
		}
		b.WriteByte('.')
		i++
	}
	return b.String(), nil
}

// settingValue reads the value: one text, or words and numbers as they are written.
func settingValue(sql string, t []token) (string, bool) {
	if len(t) == 1 && (t[0].kind == quoted || t[0].kind == name) {
		return t[0].text, true
	}
	for _, x := range t {
		if x.kind == quoted && len(t) > 1 {
			return strings.ReplaceAll(sql[t[0].at:t[len(t)-1].end], "'", ""), true
		}
		if x.kind == param || x.kind == sign && !x.is(",", "-", "+", ".", "/", ":") {
			return "", false
		}
	}
	return sql[t[0].at:t[len(t)-1].end], len(t) > 0
}

func (s *session) reset(t []token) error {
	setting, _ := settingName(t)
	switch {
	case setting == "all":
		for name, value := range s.set.start {
			s.set.values[name] = value
		}
		return nil
	case setting == "session" || setting == "role":
		return nil
	}
	value, ok := s.set.start[setting]
	if !ok {
		return unknownSetting(setting)
	}
	s.set.values[setting] = value
	s.parameter(setting)
	return nil
}

// shown is the columns of SHOW.
func (s *session) shown(st *statement) []column {
	switch name := showName(st); name {
	case showBudget:
		return budgetColumns
	case "all":
		return []column{{"name", pgtype.TextOID}, {"setting", pgtype.TextOID}, {"description", pgtype.TextOID}}
	default:
		return []column{{name, pgtype.TextOID}}
	}
}

func showName(st *statement) string {
	name, _ := settingName(st.tokens[1:])
	if name == "transaction" {
		return "transaction_isolation"
	}
	if name == "time" {
		return "timezone"
	}
	return name
}

// show answers SHOW.
func (s *session) show(ctx context.Context, who identity.Principal, st *statement) (result, error) {
	r := result{columns: s.shown(st), tag: "SHOW"}
	one := func(v any) (result, error) {
		r.rows = [][]any{{v}}
		return r, nil
	}
	switch setting := showName(st); setting {
	case showBudget:
		return s.budget(ctx, who, r)
	case showReceipt, showResult, showDecision, showPrice:
		if s.last == nil {
			return r, &fault{code: "55000", message: "this session has had no answer yet", hint: "ask a question first"}
		}
		return one(map[string]string{
			showReceipt: string(s.last.Receipt), showResult: string(s.last.Result),
			showDecision: strconv.FormatUint(s.last.Decision, 10), showPrice: units(s.last.Price.Rho),
		}[setting])
	case "session_authorization":
		return one(s.user)
	case "all":
		for _, name := range slices.Sorted(maps.Keys(s.set.values)) {
			r.rows = append(r.rows, []any{name, s.set.values[name], ""})
		}
		return r, nil
	default:
		value, ok := s.set.values[setting]
		if !ok {
			return r, unknownSetting(setting)
		}
		return one(value)
	}
}

var budgetColumns = []column{
	{"population", pgtype.TextOID},
	{"unit", pgtype.TextOID},
	{"cap", pgtype.Int8OID},
	{"spent", pgtype.Int8OID},
	{"remaining", pgtype.Int8OID},
	{"population_state", pgtype.TextOID},
}

// budget shows the ledgers of the session's agreement.
func (s *session) budget(ctx context.Context, who identity.Principal, r result) (result, error) {
	report, err := s.Gateway.Budget(ctx, who, s.set.values[setAgreement])
	if err != nil {
		return r, err
	}
	for _, l := range report.Ledgers {
		unit := l.Unit
		if unit == "" {
			unit = "PU"
		}
		r.rows = append(r.rows, []any{l.Population, unit, int64(l.Cap), int64(l.Spent), int64(l.Remaining), l.PopulationState})
	}
	return r, nil
}
